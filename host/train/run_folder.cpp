#include "host/train/run_folder.hpp"

#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>

#include "host/config/parse.hpp"
#include "host/core/error.hpp"
#include "host/core/files.hpp"
#include "host/train/checkpoint.hpp"
#include "host/train/safetensors.hpp"

namespace gamlp {
namespace fs = std::filesystem;
namespace {

constexpr const char* kTrainer = "another gamlp train or resume";

void expect_no_run(const fs::path& path) {
  std::error_code error;
  for (const char* name : {"config.json", "metrics.jsonl", "result.json"}) {
    if (fs::exists(path / name, error)) {
      throw IoError(path.string() + ": holds a run already (" + name +
                    "); choose another folder with --run, or continue it with `gamlp resume`");
    }
  }
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
  for (const fs::path& file : {config_path(), state_path(), metrics_path()}) fs::remove(file, error);
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
  write_file_atomic(config_path(), to_json(config).dump(2) + "\n");
}

void RunFolder::write_result(const nlohmann::ordered_json& result) const {
  write_file_atomic(result_path(), result.dump(2) + "\n");
}

void RunFolder::write_best(const Network& network, const Config& config, std::int64_t epoch) const {
  SafeTensors content;
  for (std::size_t l = 0; l < network.size(); ++l) {
    const LayerWeights& layer = network[l];
    const std::string id = std::to_string(l + 1);
    SafeTensor w{"F32", {layer.w.rows(), layer.w.cols()}, {}};
    w.data.resize(static_cast<std::size_t>(layer.w.size()) * sizeof(float));
    std::memcpy(w.data.data(), layer.w.data(), w.data.size());
    SafeTensor b{"F32", {static_cast<std::int64_t>(layer.b.size())}, {}};
    b.data.resize(layer.b.size() * sizeof(float));
    std::memcpy(b.data.data(), layer.b.data(), b.data.size());
    content.tensors["W" + id] = std::move(w);
    content.tensors["b" + id] = std::move(b);
  }
  content.metadata["format"] = "gamlp weights";
  content.metadata["config"] = to_json(config).dump();
  content.metadata["epoch"] = std::to_string(epoch);
  save_safetensors(best_path(), content);
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
  write_file_atomic(config_path(), read_file(source.config_path()));
}

void RunFolder::withdraw_result() const {
  std::error_code error;
  if (!fs::remove(result_path(), error) && error) {
    throw IoError(result_path().string() + ": cannot remove: " + error.message());
  }
}

SavedModel load_model(const fs::path& best_path) {
  const SafeTensors content = load_safetensors(best_path);
  const auto fail = [&](const std::string& what) -> void { throw DataError(best_path.string() + ": " + what); };
  const auto config = content.metadata.find("config");
  if (config == content.metadata.end()) fail("metadata \"config\" is missing: not written by gamlp");
  SavedModel model;
  model.config = parse_config_text(config->second, best_path.string() + " (metadata \"config\")");
  for (std::size_t l = 1;; ++l) {
    const std::string id = std::to_string(l);
    const auto w = content.tensors.find("W" + id), b = content.tensors.find("b" + id);
    if (w == content.tensors.end() && b == content.tensors.end()) break;
    if (w == content.tensors.end() || b == content.tensors.end()) fail("layer " + id + " has only one of W and b");
    if (w->second.dtype != "F32" || b->second.dtype != "F32" || w->second.shape.size() != 2 ||
        b->second.shape.size() != 1 || b->second.shape[0] != w->second.shape[0]) {
      fail("layer " + id + ": expected W (outputs × inputs) and b (outputs) in F32");
    }
    if (l > 1 && w->second.shape[1] != model.network.back().w.rows()) {
      fail("layer " + id + ": W has " + std::to_string(w->second.shape[1]) + " inputs, the layer below has " +
           std::to_string(model.network.back().w.rows()) + " outputs");
    }
    LayerWeights layer{Matrix(w->second.shape[0], w->second.shape[1]),
                       std::vector<float>(static_cast<std::size_t>(b->second.shape[0]))};
    std::memcpy(layer.w.data(), w->second.data.data(), w->second.data.size());
    std::memcpy(layer.b.data(), b->second.data.data(), b->second.data.size());
    model.network.push_back(std::move(layer));
  }
  if (model.network.empty()) fail("holds no layer (expected W1, b1, …)");
  return model;
}

}  // namespace gamlp
