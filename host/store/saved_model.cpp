#include "host/store/saved_model.hpp"

#include <cmath>
#include <cstring>
#include <set>
#include <utility>

#include "host/config/parse.hpp"
#include "host/core/error.hpp"
#include "host/core/half.hpp"
#include "host/math/bfloat16.hpp"
#include "host/store/safetensors.hpp"
#include "host/store/saved_config.hpp"

namespace gamlp {
namespace fs = std::filesystem;
namespace {

constexpr const char* kClassIds = "class_ids";
constexpr const char* kShift = "feature_shift";
constexpr const char* kFactor = "feature_factor";

template <class T>
SafeTensor tensor_of(const char* dtype, std::vector<std::int64_t> shape, const T* values, std::size_t count) {
  SafeTensor tensor{dtype, std::move(shape), std::vector<std::byte>(count * sizeof(T))};
  if (count > 0) std::memcpy(tensor.data.data(), values, tensor.data.size());
  return tensor;
}

template <class T>
void add_vector(SafeTensors& content, const char* name, const char* dtype, const std::vector<T>& values) {
  if (values.empty()) return;
  content.tensors[name] = tensor_of(dtype, {static_cast<std::int64_t>(values.size())}, values.data(), values.size());
}

template <class T>
T item(const SafeTensor& tensor, std::size_t i) {
  T value;
  std::memcpy(&value, tensor.data.data() + i * sizeof(T), sizeof(T));
  return value;
}

// Reads one file; every message names it.
class ModelReader {
 public:
  explicit ModelReader(const fs::path& path) : path_(path), content_(load_safetensors(path)) {}

  SavedModel read() {
    SavedModel model;
    model.config = read_config(model);
    for (std::size_t l = 1;; ++l) {
      const std::string id = std::to_string(l);
      const auto w = content_.tensors.find("W" + id), b = content_.tensors.find("b" + id);
      if (w == content_.tensors.end() && b == content_.tensors.end()) break;
      if (w == content_.tensors.end() || b == content_.tensors.end()) fail("layer " + id + " has only one of W and b");
      const std::int64_t below = model.network.empty() ? 0 : model.network.back().w.rows();
      model.network.push_back(read_layer(id, w->second, b->second, below));
    }
    if (model.network.empty()) fail("holds no layer (expected W1, b1, …)");
    read_preparation(model);
    for (const std::string& dtype : converted_) {
      model.notes.push_back(path_.string() + ": weights in " + dtype + " were converted to F32");
    }
    for (const auto& [name, tensor] : content_.tensors) {
      if (!used_.contains(name)) {
        model.notes.push_back(path_.string() + ": tensor \"" + name + "\" (" + tensor.dtype +
                              ") is no part of a model " + "and is ignored");
      }
    }
    return model;
  }

 private:
  [[noreturn]] void fail(const std::string& what) const { throw DataError(path_.string() + ": " + what); }

  Config read_config(SavedModel& model) const {
    const auto config = content_.metadata.find("config");
    if (config != content_.metadata.end()) {
      return parse_saved_config(config->second, path_.string() + " (metadata \"config\")", model.notes);
    }
    const fs::path beside = path_.parent_path() / "config.json";
    std::error_code error;
    if (!fs::is_regular_file(beside, error)) {
      fail("metadata \"config\" is missing, as other programs that save such files leave it out, and there is no " +
           beside.string() + " to take its place");
    }
    model.notes.push_back(path_.string() + ": holds no config (another program saved it): took " + beside.string());
    return load_saved_config(beside, model.notes);
  }

  LayerWeights read_layer(const std::string& id, const SafeTensor& w, const SafeTensor& b, std::int64_t below) {
    if (!is_float(w) || !is_float(b) || w.shape.size() != 2 || b.shape.size() != 1 || b.shape[0] != w.shape[0]) {
      fail("layer " + id + ": expected W (outputs × inputs) and b (outputs) in F32 (or F64, F16, BF16)");
    }
    if (below > 0 && w.shape[1] != below) {
      fail("layer " + id + ": W has " + std::to_string(w.shape[1]) + " inputs, the layer below has " +
           std::to_string(below) + " outputs");
    }
    LayerWeights layer{Matrix(w.shape[0], w.shape[1]), std::vector<float>(static_cast<std::size_t>(b.shape[0]))};
    copy("W" + id, w, layer.w.data(), static_cast<std::size_t>(layer.w.size()));
    copy("b" + id, b, layer.b.data(), layer.b.size());
    return layer;
  }

  static bool is_float(const SafeTensor& tensor) {
    return tensor.dtype == "F32" || tensor.dtype == "F64" || tensor.dtype == "F16" || tensor.dtype == "BF16";
  }

  void copy(const std::string& name, const SafeTensor& tensor, float* out, std::size_t count) {
    used_.insert(name);
    if (tensor.dtype == "F32") {
      if (count > 0) std::memcpy(out, tensor.data.data(), count * sizeof(float));
      return;
    }
    converted_.insert(tensor.dtype);
    for (std::size_t i = 0; i < count; ++i) {
      out[i] = tensor.dtype == "F64"   ? static_cast<float>(item<double>(tensor, i))
               : tensor.dtype == "F16" ? half_to_float(item<std::uint16_t>(tensor, i))
                                       : from_bfloat16(item<std::uint16_t>(tensor, i));
      if (std::isinf(out[i]) && (tensor.dtype != "F64" || !std::isinf(item<double>(tensor, i)))) {
        fail("tensor \"" + name + "\": a value of " + tensor.dtype + " is beyond float32");
      }
    }
  }

  // Empty where there is no such tensor.
  template <class T>
  std::vector<T> read_vector(const char* name, const char* dtype, std::int64_t length, const char* of) {
    const auto place = content_.tensors.find(name);
    if (place == content_.tensors.end()) return {};
    const SafeTensor& tensor = place->second;
    if (tensor.dtype != dtype || tensor.shape != std::vector<std::int64_t>{length}) {
      fail(std::string("tensor \"") + name + "\": expected " + std::to_string(length) + " values in " + dtype +
           ", one per " + of);
    }
    used_.insert(name);
    std::vector<T> values(static_cast<std::size_t>(length));
    std::memcpy(values.data(), tensor.data.data(), tensor.data.size());
    return values;
  }

  void read_preparation(SavedModel& model) {
    const std::int64_t features = model.network.front().w.cols() / model.config.dataset.hops;
    Preparation& p = model.preparation;
    p.class_ids = read_vector<std::int32_t>(kClassIds, "I32", model.network.back().w.rows(), "class");
    p.shift = read_vector<double>(kShift, "F64", features, "feature");
    p.factor = read_vector<double>(kFactor, "F64", features, "feature");
    const Standardize how = model.config.dataset.standardize.value_or(Standardize::none);
    if (how != Standardize::none && p.factor.empty()) {
      fail(std::string("tensor \"") + kFactor + "\" is missing: the model was trained on standardised features");
    }
    if (!p.shift.empty() && p.factor.empty()) fail(std::string("tensor \"") + kShift + "\" without " + kFactor);
    for (const std::vector<double>* numbers : {&p.shift, &p.factor}) {
      for (const double x : *numbers) {
        if (!std::isfinite(x)) fail("feature_shift and feature_factor: expected finite numbers");
      }
    }
  }

  const fs::path& path_;
  SafeTensors content_;
  std::set<std::string> used_, converted_;  // names; dtypes
};

}  // namespace

void write_model(const fs::path& path, const SavedModel& model, std::int64_t epoch) {
  SafeTensors content;
  for (std::size_t l = 0; l < model.network.size(); ++l) {
    const LayerWeights& layer = model.network[l];
    const std::string id = std::to_string(l + 1);
    content.tensors["W" + id] =
        tensor_of("F32", {layer.w.rows(), layer.w.cols()}, layer.w.data(), static_cast<std::size_t>(layer.w.size()));
    content.tensors["b" + id] =
        tensor_of("F32", {static_cast<std::int64_t>(layer.b.size())}, layer.b.data(), layer.b.size());
  }
  add_vector(content, kClassIds, "I32", model.preparation.class_ids);
  add_vector(content, kShift, "F64", model.preparation.shift);
  add_vector(content, kFactor, "F64", model.preparation.factor);
  content.metadata["format"] = "gamlp weights";
  content.metadata["config"] = to_json(model.config).dump();
  content.metadata["epoch"] = std::to_string(epoch);
  save_safetensors(path, content);
}

SavedModel load_model(const fs::path& path) { return ModelReader(path).read(); }

}  // namespace gamlp
