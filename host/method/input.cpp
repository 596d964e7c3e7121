#include "host/method/input.hpp"

#include <cmath>
#include <utility>

#include "host/core/error.hpp"
#include "host/cpu/blas.hpp"
#include "host/math/random.hpp"

namespace gamlp {
namespace {

void subtract_row(Matrix& x, const std::vector<float>& row) {
  for (std::int64_t i = 0; i < x.rows(); ++i) {
    for (std::int64_t j = 0; j < x.cols(); ++j) x(i, j) -= row[static_cast<std::size_t>(j)];
  }
}

std::vector<float> row_mean(const Matrix& x) {
  std::vector<double> sum(static_cast<std::size_t>(x.cols()), 0.0);
  for (std::int64_t i = 0; i < x.rows(); ++i) {
    for (std::int64_t j = 0; j < x.cols(); ++j) sum[static_cast<std::size_t>(j)] += static_cast<double>(x(i, j));
  }
  std::vector<float> mean(sum.size());
  for (std::size_t j = 0; j < sum.size(); ++j) mean[j] = static_cast<float>(sum[j] / static_cast<double>(x.rows()));
  return mean;
}

}  // namespace

const char* input_kind_name(InputKind kind) {
  switch (kind) {
    case InputKind::qr:
      return "qr";
    case InputKind::kernel:
      return "kernel";
    default:
      return "plain";
  }
}

InputKind choose_input_kind(const ProblemShape& shape, Update update, std::int64_t width, std::int64_t iterations,
                            std::string* why) {
  const double v = static_cast<double>(shape.train_nodes), n = static_cast<double>(shape.inputs);
  if (shape.train_nodes >= shape.inputs) return InputKind::plain;
  const std::string sizes =
      std::to_string(shape.train_nodes) + " training nodes, " + std::to_string(shape.inputs) + " inputs";
  if (update == Update::exact) {
    if (why) *why = "layer 1 in the V × V form: " + sizes;
    return InputKind::kernel;
  }
  // QR costs 4 n V² flops once; each iteration then saves two products of 2 h V (n − V).
  const double cost = 4.0 * n * v * v;
  const double saved = static_cast<double>(iterations) * 4.0 * static_cast<double>(width) * v * (n - v);
  if (cost > saved) return InputKind::plain;
  if (why) *why = "layer 1 reduced by QR: " + sizes;
  return InputKind::qr;
}

TrainingInput make_training_input(Matrix x, InputKind kind) {
  TrainingInput input;
  input.kind = kind;
  switch (kind) {
    case InputKind::plain:
      input.train = std::move(x);
      break;
    case InputKind::qr:
      input.train = Matrix(x.rows(), x.rows());
      reduced_rq(x.view(), input.train.view());
      input.basis = std::move(x);
      break;
    case InputKind::kernel:
      input.mean = row_mean(x);
      subtract_row(x, input.mean);
      input.train = Matrix(x.rows(), x.rows());
      outer_gram(x.view(), input.train.view());
      input.basis = std::move(x);
      break;
  }
  return input;
}

Matrix TrainingInput::coordinates(Matrix x) const {
  if (kind == InputKind::plain) return x;
  if (kind == InputKind::kernel) subtract_row(x, mean);
  Matrix out(x.rows(), basis.rows());
  gemm(x.view(), false, basis.view(), true, out.view());
  return out;
}

void TrainingInput::to_host_layout(LayerWeights& layer) const {
  if (kind != InputKind::kernel) return;
  const std::int64_t width = layer.w.rows(), nodes = layer.w.cols();
  Matrix w(width, nodes);
  for (std::int64_t i = 0; i < nodes; ++i) {
    for (std::int64_t j = 0; j < width; ++j) w(j, i) = layer.w.data()[i * width + j];
  }
  layer.w = std::move(w);
}

LayerWeights TrainingInput::expanded(const LayerWeights& layer) const {
  if (kind == InputKind::plain) return layer;
  LayerWeights full{Matrix(layer.w.rows(), basis.cols()), layer.b};
  gemm(layer.w.view(), false, basis.view(), false, full.w.view());
  if (kind == InputKind::kernel) {  // b belongs to centred inputs
    for (std::int64_t i = 0; i < full.w.rows(); ++i) {
      double shift = 0.0;
      for (std::int64_t j = 0; j < full.w.cols(); ++j) {
        shift += static_cast<double>(full.w(i, j)) * static_cast<double>(mean[static_cast<std::size_t>(j)]);
      }
      full.b[static_cast<std::size_t>(i)] -= static_cast<float>(shift);
    }
  }
  return full;
}

std::vector<double> TrainingInput::probe() const {
  std::vector<double> values;
  const auto add = [&](const Matrix& x, std::uint64_t which) {
    Random random(random_key(0x696E707574, which));
    std::vector<double> direction;
    for (std::int64_t j = 0; j < x.cols(); ++j) direction.push_back(random.normal());
    for (std::int64_t i = 0; i < x.rows(); ++i) {
      double sum = 0.0;
      for (std::int64_t j = 0; j < x.cols(); ++j) {
        sum += static_cast<double>(x(i, j)) * direction[static_cast<std::size_t>(j)];
      }
      values.push_back(sum);
    }
  };
  add(train, 0);
  if (kind == InputKind::qr) add(basis, 1);
  return values;
}

InputLayer::InputLayer(Device& device, const InputShape& shape, Update update) : shape_(shape) {
  const auto floats = [&](std::int64_t count, const char* what, MemoryKind kind) {
    return device.allocate(static_cast<std::size_t>(count) * sizeof(float), what, kind);
  };
  if (shape.kind != InputKind::kernel)
    x_ = floats(shape.nodes * shape.inputs, "the inputs of layer 1", MemoryKind::data);
  if (update != Update::exact) return;
  mean_ = floats(shape.features, "the mean input", MemoryKind::data);
  factor_ = floats(shape.inputs * shape.inputs, "the factor of layer 1", MemoryKind::data);
  ridge_ = device.allocate(2 * sizeof(double), "the ridge of layer 1", MemoryKind::data);
  if (shape.kind == InputKind::kernel) {
    a_ = floats(shape.nodes * shape.width, "a of layer 1", MemoryKind::variables);
    c_ = floats(shape.nodes * shape.width, "c of layer 1", MemoryKind::weights);
  }
}

void InputLayer::enqueue_upload(Stream& stream, const TrainingInput& input, const MethodConfig& method,
                                const Network& network) {
  stream.label({"input", 1, 0});
  const auto upload = [&](ConstMat from, const Buffer& to) {
    const ConstBytes bytes = as_bytes(from);
    stream.enqueue(ops::Upload{bytes.data, to.raw(static_cast<std::size_t>(bytes.cols))});
  };
  if (shape_.kind != InputKind::kernel) upload(input.train.view(), x_);
  if (method.update != Update::exact) return;
  const double nu = *method.nu, mu = weight_decay_of(method, 1, static_cast<int>(network.size()));
  const auto factor_memory = [&] { return factor_.mat(shape_.inputs, shape_.inputs); };
  if (shape_.kind == InputKind::kernel) {
    upload({input.mean.data(), 1, input.basis.cols()}, mean_);
    upload(input.train.view(), factor_);
    // c starts so that the entries of W = cᵀ x₀ have the scale that network's first layer has: its columns
    // are scaled by the mean squared entry of x₀'s columns, trace(K)/n0.
    double trace = 0.0;
    for (std::int64_t i = 0; i < shape_.inputs; ++i) trace += static_cast<double>(input.train(i, i));
    const double column2 = trace / static_cast<double>(input.basis.cols());
    const float scale = column2 > 0.0 ? static_cast<float>(1.0 / std::sqrt(column2)) : 0.0f;
    const Matrix& w = network.front().w;
    c_start_ = Matrix(shape_.nodes, shape_.width);
    for (std::int64_t i = 0; i < shape_.nodes; ++i) {
      for (std::int64_t j = 0; j < shape_.width; ++j) c_start_(i, j) = scale * w(j, i);
    }
    upload(c_start_.view(), c_);
    stream.enqueue(ops::Gemm{factor(), c(), a()});
    stream.enqueue(
        ops::KernelFactor{factor_memory(), mean(), ridge_.view<double>(1, 2), nu, method.exact.kappa, 0.0, mu});
    return;
  }
  stream.enqueue(ops::ColumnMean{x(), mean_.mat(1, shape_.inputs)});
  stream.enqueue(ops::Gram{x(), factor_memory()});
  stream.enqueue(
      ops::WFactor{factor_memory(), mean(), ridge_.view<double>(1, 2), shape_.nodes, nu, method.exact.kappa, 0.0, mu});
}

}  // namespace gamlp
