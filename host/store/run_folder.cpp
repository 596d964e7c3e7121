#include "host/store/run_folder.hpp"

#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>

#include "host/core/error.hpp"
#include "host/core/files.hpp"
#include "host/methods/load_config.hpp"
#include "host/store/checkpoint.hpp"
#include "host/store/saved_model.hpp"

namespace gamlp {
namespace fs = std::filesystem;
namespace {

constexpr const char* kTrainer = "another gamlp train or resume";

void expect_no_run(const fs::path& path) {
  std::error_code error;
  const auto refuse = [&](const fs::path& file) {
    throw IoError(path.string() + ": holds a run already (" + file.string() +
                  "); choose another folder with --run, or continue it with `gamlp resume`");
  };
  for (const char* name : {"config.json", "metrics.jsonl", "result.json", "best.safetensors"}) {
    if (fs::exists(path / name, error)) refuse(name);
  }
  const std::vector<fs::path> checkpoints = checkpoints_of(path / "checkpoints");
  if (!checkpoints.empty()) refuse(fs::path("checkpoints") / checkpoints.front().filename());
}

}  // namespace

RunFolder RunFolder::create(const fs::path& path) {
  RunFolder folder(path);
  expect_no_run(path);
  make_writable_folder(path);
  folder.lock_ = std::make_shared<FolderLock>(path, kTrainer);
  expect_no_run(path);  // that another process began, and ended, meanwhile
  make_writable_folder(folder.checkpoints());
  return folder;
}

RunFolder RunFolder::open_to_train(const fs::path& path) {
  RunFolder folder = open(path);
  folder.lock_ = std::make_shared<FolderLock>(path, kTrainer);
  remove_temporary_files(path);
  remove_temporary_files(folder.checkpoints());
  return folder;
}

void RunFolder::discard() {
  std::error_code error;
  remove_temporary_files(path_);
  for (const fs::path& file : {config_path(), state_path(), metrics_path(), start_path()}) fs::remove(file, error);
  remove_old_checkpoints(checkpoints(), 0);  // of a copy
  lock_.reset();
  fs::remove(checkpoints(), error);  // both only when empty
  fs::remove(path_, error);
}

RunFolder RunFolder::open(const fs::path& path) {
  RunFolder folder(path);
  std::error_code error;
  if (!fs::is_regular_file(folder.config_path(), error)) {
    throw DataError(path.string() + ": is not a run folder (no config.json)");
  }
  return folder;
}

void RunFolder::write_config(const Config& config) const {
  const std::string text = to_json(config).dump(2) + "\n";
  // What the program itself chose must be as valid as what users write.
  parse_config_text(text, config_path().string());
  write_file_atomic(config_path(), text);
}

void RunFolder::write_result(const nlohmann::ordered_json& result) const {
  write_file_atomic(result_path(), result.dump(2) + "\n");
}

fs::path RunFolder::best_path(int stage) const {
  return path_ / (stage == 0 ? "best.safetensors" : "best-stage-" + std::to_string(stage) + ".safetensors");
}

void RunFolder::write_best(const Network& network, const Config& config, std::int64_t epoch,
                           const Preparation& preparation, int stage) const {
  write_model(best_path(stage), {network, config, preparation, {}}, epoch);
}

void RunFolder::append(const EpochRecord& record) const { append_file(metrics_path(), to_json(record).dump() + "\n"); }

void RunFolder::flush_metrics() const { flush_file(metrics_path()); }

namespace {

struct MetricsLines {
  std::string text;
  std::int64_t last_epoch = 0;
};

// The lines up to `epoch`, without one that a crash cut short and what follows it.
MetricsLines whole_lines(const fs::path& file, std::int64_t epoch) {
  MetricsLines kept;
  std::error_code error;
  if (!fs::exists(file, error)) return kept;
  std::istringstream lines(read_file(file));
  for (std::string line; std::getline(lines, line) && !lines.eof();) {
    const nlohmann::json json = nlohmann::json::parse(line, nullptr, false);
    if (!json.is_object() || !json.contains("epoch") || !json["epoch"].is_number_integer()) break;
    const auto at = json["epoch"].get<std::int64_t>();
    if (at > epoch) break;
    kept.text += line + "\n";
    kept.last_epoch = at;
  }
  return kept;
}

}  // namespace

std::int64_t RunFolder::recorded_epoch() const {
  return whole_lines(metrics_path(), std::numeric_limits<std::int64_t>::max()).last_epoch;
}

void RunFolder::truncate_metrics(std::int64_t epoch) const {
  std::error_code error;
  if (fs::exists(metrics_path(), error)) write_file_atomic(metrics_path(), whole_lines(metrics_path(), epoch).text);
}

void RunFolder::copy_from(const RunFolder& source, std::int64_t epoch) const {
  const fs::path from = checkpoint_path(source.checkpoints(), epoch);
  write_file_atomic(metrics_path(), whole_lines(source.metrics_path(), epoch).text);
  write_file_atomic(checkpoint_path(checkpoints(), epoch), read_file(from));
  std::error_code none;
  if (fs::exists(source.start_path(), none)) write_file_atomic(start_path(), read_file(source.start_path()));
  write_file_atomic(config_path(), read_file(source.config_path()));
}

namespace {

void remove_file(const fs::path& file) {
  std::error_code error;
  if (!fs::remove(file, error) && error) throw IoError(file.string() + ": cannot remove: " + error.message());
}

}  // namespace

void RunFolder::withdraw_result() const { remove_file(result_path()); }

void RunFolder::remove_weights() const {
  std::vector<fs::path> all = {best_path()};  // first: a run without it counts as one without weights
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(path_, error)) {
    if (entry.path().extension() == ".safetensors") all.push_back(entry.path());
  }
  for (const fs::path& checkpoint : checkpoints_of(checkpoints())) all.push_back(checkpoint);
  for (const fs::path& file : all) remove_file(file);
}

fs::path weights_file(const fs::path& path) {
  std::error_code error;
  if (!fs::is_directory(path, error)) return path;
  const RunFolder run = RunFolder::open(path);
  if (fs::exists(run.best_path(), error)) return run.best_path();
  throw DataError(run.best_path().string() +
                  (fs::exists(run.result_path(), error)
                       ? ": no such file: its weights were removed; train it again from its config.json"
                       : ": no such file: the run is not finished; continue it with: gamlp resume " + path.string()));
}

std::optional<nlohmann::json> read_result(const RunFolder& folder) {
  std::error_code error;
  if (!std::filesystem::exists(folder.result_path(), error)) return std::nullopt;
  nlohmann::json result = nlohmann::json::parse(read_file(folder.result_path()), nullptr, false);
  if (!result.is_object()) throw DataError(folder.result_path().string() + ": is not a JSON object");
  return result;
}

}  // namespace gamlp
