#include "host/train/run_folder.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <sstream>
#include <unistd.h>

#include "host/config/parse.hpp"
#include "host/core/error.hpp"
#include "host/core/files.hpp"
#include "host/train/saved_model.hpp"

namespace gamlp {
namespace fs = std::filesystem;

RunFolder RunFolder::create(const fs::path& path) {
  RunFolder folder(path);
  std::error_code error;
  for (const char* name : {"config.json", "metrics.jsonl", "result.json"}) {
    if (fs::exists(path / name, error)) {
      throw IoError(path.string() + ": holds a run already (" + name +
                    "); choose another folder with --run, or continue it with `gamlp resume`");
    }
  }
  make_writable_folder(path);
  make_writable_folder(folder.checkpoints());
  return folder;
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

void RunFolder::write_best(const Network& network, const Config& config, std::int64_t epoch,
                           const Preparation& preparation) const {
  write_model(best_path(), {network, config, preparation, {}}, epoch);
}

void RunFolder::append(const EpochRecord& record) const {
  const fs::path file = path_ / "metrics.jsonl";
  const std::string line = to_json(record).dump() + "\n";
  const int fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  const bool written = fd >= 0 && ::write(fd, line.data(), line.size()) == static_cast<ssize_t>(line.size());
  const int reason = errno;
  if (fd >= 0) ::close(fd);
  if (!written) throw IoError(file.string() + ": cannot write: " + std::strerror(reason));
}

void RunFolder::truncate_metrics(std::int64_t epoch) const {
  const fs::path file = path_ / "metrics.jsonl";
  std::error_code error;
  if (!fs::exists(file, error)) return;
  std::istringstream lines(read_file(file));
  std::string kept, line;
  while (std::getline(lines, line)) {
    const nlohmann::json json = nlohmann::json::parse(line, nullptr, false);
    if (!json.is_object() || !json.contains("epoch") || !json["epoch"].is_number_integer()) break;
    if (json["epoch"].get<std::int64_t>() > epoch) break;
    kept += line + "\n";
  }
  write_file_atomic(file, kept);
}

}  // namespace gamlp
