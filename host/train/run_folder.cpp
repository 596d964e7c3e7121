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
#include "host/train/safetensors.hpp"

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
