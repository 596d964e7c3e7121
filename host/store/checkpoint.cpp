#include "host/store/checkpoint.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>

#include "host/config/json_number.hpp"
#include "host/core/error.hpp"
#include "host/core/files.hpp"
#include "host/store/safetensors.hpp"

namespace gamlp {
namespace {

const char kFormat[] = "gamlp checkpoint";
const char kBest[] = "best.";
const char kProbe[] = "input.probe";

std::span<const std::byte> text_bytes(const std::string& text) { return std::as_bytes(std::span(text)); }

// Over what the header says of each tensor, the data, and the position in the run.
std::string checksum(const SafeTensors& content) {
  std::uint32_t crc = 0;
  for (const auto& [key, value] : content.metadata) {
    if (key != "crc32") crc = crc32_of(text_bytes(key + "=" + value + "\n"), crc);
  }
  for (const auto& [name, tensor] : content.tensors) {
    std::string line = name + " " + tensor.dtype;
    for (const std::int64_t size : tensor.shape) line += " " + std::to_string(size);
    crc = crc32_of(text_bytes(line), crc);
    crc = crc32_of(tensor.data, crc);
  }
  return std::to_string(crc);
}

template <class T>
bool all_finite(const std::vector<std::byte>& data) {
  for (std::size_t i = 0; i + sizeof(T) <= data.size(); i += sizeof(T)) {
    T value;
    std::memcpy(&value, data.data() + i, sizeof(T));
    if (!std::isfinite(value)) return false;
  }
  return true;
}

SafeTensor tensor_of(const float* data, std::int64_t rows, std::int64_t cols) {
  SafeTensor tensor{"F32", {rows, cols}, {}};
  tensor.data.resize(static_cast<std::size_t>(rows * cols) * sizeof(float));
  std::memcpy(tensor.data.data(), data, tensor.data.size());
  return tensor;
}

double from_number_or_null(const nlohmann::json& x) { return x.is_null() ? std::nan("") : x.get<double>(); }

// Of the names of the best weights of a stage: "best.2.W1".
std::string best_prefix(int stage) { return kBest + std::to_string(stage) + "."; }

void add_weights(SafeTensors& content, const std::string& prefix, const Network& network) {
  for (std::size_t l = 0; l < network.size(); ++l) {
    const LayerWeights& layer = network[l];
    const std::string id = std::to_string(l + 1);
    content.tensors[prefix + "W" + id] = tensor_of(layer.w.data(), layer.w.rows(), layer.w.cols());
    content.tensors[prefix + "b" + id] = tensor_of(layer.b.data(), 1, static_cast<std::int64_t>(layer.b.size()));
  }
}

Network read_weights(const SafeTensors& content, const std::filesystem::path& path, int stage, std::size_t layers) {
  const std::string prefix = best_prefix(stage);
  Network network;
  for (std::size_t l = 1; l <= layers; ++l) {
    const std::string id = std::to_string(l);
    const auto fail = [&](const std::string& what) {
      throw DataError(path.string() + ": the best weights of stage " + std::to_string(stage) + ", layer " + id + ", " +
                      what);
    };
    const auto w = content.tensors.find(prefix + "W" + id);
    const auto b = content.tensors.find(prefix + "b" + id);
    if (w == content.tensors.end() || b == content.tensors.end()) fail("are missing");
    const SafeTensor &weight = w->second, &bias = b->second;
    if (weight.dtype != "F32" || bias.dtype != "F32" || bias.shape[0] != 1 || bias.shape[1] != weight.shape[0]) {
      fail("are not W (outputs × inputs) and b (1 × outputs) in F32");
    }
    if (l > 1 && weight.shape[1] != network.back().w.rows()) {
      fail("have " + std::to_string(weight.shape[1]) + " inputs, the layer below has " +
           std::to_string(network.back().w.rows()) + " outputs");
    }
    LayerWeights layer{Matrix(weight.shape[0], weight.shape[1]), {}};
    layer.b.resize(bias.data.size() / sizeof(float));
    std::memcpy(layer.w.data(), weight.data.data(), weight.data.size());
    std::memcpy(layer.b.data(), bias.data.data(), bias.data.size());
    network.push_back(std::move(layer));
  }
  return network;
}

// Adds accuracies to an object.
void add_accuracies(nlohmann::json& json, const Accuracies& accuracies) {
  json["train"] = number_or_null(accuracies.train);
  json["validation"] = number_or_null(accuracies.validation);
  json["test"] = number_or_null(accuracies.test);
}

Accuracies read_accuracies(const nlohmann::json& json) {
  return {from_number_or_null(json.at("train")), from_number_or_null(json.at("validation")),
          from_number_or_null(json.at("test"))};
}

// Epochs, layers and accuracies of the best weights of a stage.
nlohmann::json position_of(const BestWeights& best) {
  nlohmann::json json = {{"epoch", best.epoch}, {"stage_epoch", best.stage_epoch}, {"layers", best.network.size()}};
  add_accuracies(json, best.accuracies);
  return json;
}

nlohmann::json json_of_replicas(const ReplicaFigures& replicas) {
  nlohmann::json json = {{"best_epoch", replicas.best_epoch}, {"leads", replicas.leads}};
  add_accuracies(json, replicas.best);
  return json;
}

ReplicaFigures read_replicas(const nlohmann::json& json) {
  return {json.at("best_epoch").get<std::int64_t>(), read_accuracies(json),
          json.at("leads").get<std::vector<std::int64_t>>()};
}

// All but the network; returns how many layers it has.
std::size_t read_position(const nlohmann::json& json, BestWeights& best) {
  best.epoch = json.at("epoch").get<std::int64_t>();
  best.stage_epoch = json.at("stage_epoch").get<std::int64_t>();
  best.accuracies = read_accuracies(json);
  return json.at("layers").get<std::size_t>();
}

}  // namespace

void save_checkpoint(const std::filesystem::path& path, const Checkpoint& c) {
  SafeTensors content;
  for (const auto& [name, tensor] : c.state) {
    const bool counter = name == "iteration" || name.starts_with("warmup");  // whole numbers
    const bool finite =
        counter || (tensor.item_bytes == 8 ? all_finite<double>(tensor.data) : all_finite<float>(tensor.data));
    if (!finite) throw DivergenceError("epoch " + std::to_string(c.epoch) + ": " + name + " is not finite");
    content.tensors[name] = {
        counter ? "U32" : (tensor.item_bytes == 8 ? "F64" : "F32"), {tensor.rows, tensor.cols}, tensor.data};
  }
  if (!c.input_probe.empty()) {
    SafeTensor& probe = content.tensors[kProbe];
    probe = {"F64", {1, static_cast<std::int64_t>(c.input_probe.size())}, {}};
    const auto bytes = std::as_bytes(std::span(c.input_probe));
    probe.data.assign(bytes.begin(), bytes.end());
  }
  add_weights(content, best_prefix(c.stage), c.best.network);
  nlohmann::json stages = nlohmann::json::array();
  for (std::size_t i = 0; i < c.best_of_stages.size(); ++i) {
    add_weights(content, best_prefix(static_cast<int>(i) + 1), c.best_of_stages[i].network);
    stages.push_back(position_of(c.best_of_stages[i]));
  }
  nlohmann::json position = {{"stage", c.stage},
                             {"best_of_stages", stages},
                             {"stage_epoch", c.stage_epoch},
                             {"stage_complete", c.stage_complete},
                             {"epoch", c.epoch},
                             {"seconds", c.seconds},
                             {"evaluation_seconds", c.evaluation_seconds},
                             {"bytes_sent", c.bytes_sent},
                             {"recent_objectives", c.recent.objectives},
                             {"recent_residuals", c.recent.residuals},
                             {"recent_dual_residuals", c.recent.dual_residuals},
                             {"largest_residual", c.recent.largest_residual},
                             {"best", position_of(c.best)}};
  for (const InputKind kind : c.kinds) position["coordinates"].push_back(input_kind_name(kind));
  if (!c.continued.empty()) position["continued"] = nlohmann::json::parse(c.continued);
  if (c.replicas.best_epoch > 0 || !c.replicas.leads.empty()) position["replicas"] = json_of_replicas(c.replicas);
  content.metadata["format"] = kFormat;
  content.metadata["version"] = std::to_string(kCheckpointVersion);
  content.metadata["position"] = position.dump();
  content.metadata["config"] = c.config;
  content.metadata["crc32"] = checksum(content);
  save_safetensors(path, content);
}

Checkpoint load_checkpoint(const std::filesystem::path& path) {
  SafeTensors content = load_safetensors(path);
  const auto fail = [&](const std::string& what) -> void { throw DataError(path.string() + ": " + what); };
  const auto metadata = [&](const char* key) -> const std::string& {
    const auto found = content.metadata.find(key);
    if (found == content.metadata.end()) fail(std::string("metadata \"") + key + "\" is missing: not a checkpoint");
    return found->second;
  };
  if (metadata("format") != kFormat) fail("is a \"" + metadata("format") + "\", expected a \"" + kFormat + "\"");
  if (metadata("version") != std::to_string(kCheckpointVersion)) {
    fail("has checkpoint version " + metadata("version") + ", this program reads version " +
         std::to_string(kCheckpointVersion));
  }
  if (metadata("crc32") != checksum(content)) fail("the checksum does not match: the file is damaged");

  Checkpoint c;
  c.config = metadata("config");
  std::size_t best_layers = 0;
  std::vector<std::size_t> layers_before;  // of the stages before
  try {
    const nlohmann::json position = nlohmann::json::parse(metadata("position"));
    c.stage = position.at("stage").get<int>();
    c.stage_epoch = position.at("stage_epoch").get<std::int64_t>();
    c.stage_complete = position.at("stage_complete").get<bool>();
    c.epoch = position.at("epoch").get<std::int64_t>();
    c.seconds = position.at("seconds").get<double>();
    c.evaluation_seconds = position.at("evaluation_seconds").get<double>();
    c.bytes_sent = position.at("bytes_sent").get<std::uint64_t>();
    c.recent.objectives = position.at("recent_objectives").get<std::vector<double>>();
    for (const nlohmann::json& residual : position.at("recent_residuals")) {
      c.recent.residuals.push_back(from_number_or_null(residual));
    }
    for (const nlohmann::json& residual : position.at("recent_dual_residuals")) {
      c.recent.dual_residuals.push_back(from_number_or_null(residual));
    }
    c.recent.largest_residual = position.at("largest_residual").get<double>();
    if (position.contains("continued")) {
      if (!position.at("continued").is_array()) fail("metadata \"position\": continued is not a list");
      c.continued = position.at("continued").dump();
    }
    if (position.contains("replicas")) c.replicas = read_replicas(position.at("replicas"));
    if (position.contains("coordinates")) {
      for (const nlohmann::json& name : position.at("coordinates")) {
        for (const InputKind kind : {InputKind::plain, InputKind::qr, InputKind::kernel}) {
          if (name == input_kind_name(kind)) c.kinds.push_back(kind);
        }
      }
      if (c.kinds.size() != position.at("coordinates").size()) {
        fail("metadata \"position\": coordinates are not \"plain\", \"qr\" or \"kernel\"");
      }
    }
    best_layers = read_position(position.at("best"), c.best);
    for (const nlohmann::json& best : position.at("best_of_stages")) {
      layers_before.push_back(read_position(best, c.best_of_stages.emplace_back()));
    }
  } catch (const nlohmann::json::exception& error) {
    fail(std::string("metadata \"position\": ") + error.what());
  }
  for (auto& [name, tensor] : content.tensors) {
    const std::string where = "tensor \"" + name + "\" ";
    if (tensor.shape.size() != 2)
      fail(where + "has " + std::to_string(tensor.shape.size()) + " dimensions, expected 2");
    if (name.starts_with(kBest)) continue;
    if (tensor.dtype != "F32" && tensor.dtype != "F64" && tensor.dtype != "U32") {
      fail(where + "has dtype " + tensor.dtype + ", expected F32, F64 or U32");
    }
    if (name == kProbe) {
      if (tensor.dtype != "F64" || tensor.shape[0] != 1) fail(where + "is not a row in F64");
      c.input_probe.resize(tensor.data.size() / sizeof(double));
      std::memcpy(c.input_probe.data(), tensor.data.data(), tensor.data.size());
      continue;
    }
    HostTensor& out = c.state[name];
    out.rows = tensor.shape[0];
    out.cols = tensor.shape[1];
    out.item_bytes = tensor.dtype == "F64" ? 8 : 4;
    out.data = std::move(tensor.data);
  }
  c.best.network = read_weights(content, path, c.stage, best_layers);
  for (std::size_t i = 0; i < layers_before.size(); ++i) {
    c.best_of_stages[i].network = read_weights(content, path, static_cast<int>(i) + 1, layers_before[i]);
  }
  return c;
}

std::filesystem::path checkpoint_path(const std::filesystem::path& folder, std::int64_t epoch) {
  std::string digits = std::to_string(epoch);
  digits.insert(0, digits.size() < 6 ? 6 - digits.size() : 0, '0');
  return folder / ("epoch-" + digits + ".safetensors");
}

std::vector<std::filesystem::path> checkpoints_of(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> found;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("epoch-") && name.ends_with(".safetensors")) found.push_back(entry.path());
  }
  // By number: names of runs with over 999,999 epochs are longer.
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) {
    const std::string x = a.filename().string(), y = b.filename().string();
    return x.size() != y.size() ? x.size() > y.size() : x > y;
  });
  return found;
}

Checkpoint load_latest_checkpoint(const std::filesystem::path& folder, std::vector<std::string>& warnings,
                                  std::int64_t recorded) {
  std::filesystem::path beyond;  // the newest of those
  for (const auto& path : checkpoints_of(folder)) {
    try {
      Checkpoint checkpoint = load_checkpoint(path);
      if (checkpoint.epoch <= recorded) return checkpoint;
      if (beyond.empty()) beyond = path;
    } catch (const DataError& error) {
      warnings.push_back(std::string(error.what()) + "; using an older checkpoint");
    }
  }
  if (!beyond.empty()) {
    warnings.push_back(beyond.string() + ": metrics.jsonl ends at epoch " + std::to_string(recorded) +
                       ", before the checkpoint, and no older one is left: it will lack the epochs between");
    return load_checkpoint(beyond);
  }
  std::string message = folder.string() + ": holds no usable checkpoint";
  for (const std::string& warning : warnings) message += "\n  " + warning;
  throw DataError(message);
}

void remove_old_checkpoints(const std::filesystem::path& folder, std::size_t keep) {
  const auto paths = checkpoints_of(folder);
  for (std::size_t i = keep; i < paths.size(); ++i) {
    std::error_code ignored;
    std::filesystem::remove(paths[i], ignored);
  }
}

}  // namespace gamlp
