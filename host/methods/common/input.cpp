#include "host/methods/common/input.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "host/core/error.hpp"
#include "host/cpu/blas.hpp"
#include "host/device/staging.hpp"
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

Matrix transposed(ConstMat x) {
  Matrix out(x.cols, x.rows);
  for (std::int64_t i = 0; i < x.rows; ++i) {
    for (std::int64_t j = 0; j < x.cols; ++j) out(j, i) = x.row(i)[j];
  }
  return out;
}

double dot(const float* x, const std::vector<float>& y) {
  double sum = 0.0;
  for (std::size_t j = 0; j < y.size(); ++j) sum += static_cast<double>(x[j]) * static_cast<double>(y[j]);
  return sum;
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

namespace {

std::string sizes_of(const ProblemShape& shape) {
  return std::to_string(shape.train_nodes) + " training nodes, " + std::to_string(shape.inputs) + " inputs";
}

}  // namespace

InputKind plain_or_kernel(const ProblemShape& shape, std::string* why) {
  if (shape.train_nodes >= shape.inputs) return InputKind::plain;
  if (why) *why = "layer 1 in the V × V form: " + sizes_of(shape);
  return InputKind::kernel;
}

InputKind plain_or_qr(const ProblemShape& shape, std::int64_t width, std::int64_t iterations, std::string* why) {
  if (shape.train_nodes >= shape.inputs) return InputKind::plain;
  const double v = static_cast<double>(shape.train_nodes), n = static_cast<double>(shape.inputs);
  // QR costs 4 n V² flops once; each iteration then saves two products of 2 h V (n − V).
  const double cost = 4.0 * n * v * v;
  const double saved = static_cast<double>(iterations) * 4.0 * static_cast<double>(width) * v * (n - v);
  if (cost > saved) return InputKind::plain;
  if (why) *why = "layer 1 reduced by QR: " + sizes_of(shape);
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
  layer.w = transposed({layer.w.data(), layer.w.cols(), layer.w.rows()});
}

// The columns of W = cᵀ x₀ are scaled by the mean squared entry of x₀'s columns, trace(K)/n0.
void TrainingInput::scale_initial(LayerWeights& layer) const {
  if (kind != InputKind::kernel) return;
  double trace = 0.0;
  for (std::int64_t i = 0; i < train.rows(); ++i) trace += static_cast<double>(train(i, i));
  const double column2 = trace / static_cast<double>(basis.cols());
  const float scale = column2 > 0.0 ? static_cast<float>(1.0 / std::sqrt(column2)) : 0.0f;
  for (float& w : layer.w.view().flat()) w *= scale;
}

LayerWeights TrainingInput::expanded(const LayerWeights& layer) const {
  if (kind == InputKind::plain) return layer;
  LayerWeights full{Matrix(layer.w.rows(), basis.cols()), layer.b};
  gemm(layer.w.view(), false, basis.view(), false, full.w.view());
  if (kind == InputKind::kernel) {  // b belongs to centred inputs
    for (std::int64_t i = 0; i < full.w.rows(); ++i) {
      full.b[static_cast<std::size_t>(i)] -= static_cast<float>(dot(full.w.row(i), mean));
    }
  }
  return full;
}

namespace {

// The x with k x = y, as far as the rank of k allows, which is symmetric and positive semidefinite. A small ridge makes
// it definite; refinement takes the ridge's share out again wherever k is larger.
Matrix solved(ConstMat k, const Matrix& y) {
  constexpr int kRefinements = 3;
  double trace = 0.0;
  for (std::int64_t i = 0; i < k.rows; ++i) trace += static_cast<double>(k.row(i)[i]);
  Matrix x(y.rows(), y.cols());
  if (!(trace > 0.0)) return x;
  Matrix factor(k.rows, k.cols);
  for (double share = 1e-5;; share *= 10.0) {
    std::copy_n(k.data, k.size(), factor.data());
    for (std::int64_t i = 0; i < k.rows; ++i)
      factor(i, i) += static_cast<float>(share * trace / static_cast<double>(k.rows));
    if (cholesky(factor.view())) break;
    expects(share < 1.0, "a Gram matrix and a ridge as large are positive definite");
  }
  for (int i = 0; i <= kRefinements; ++i) {
    Matrix left = y;
    if (i > 0) gemm(k, false, x.view(), false, left.view(), -1.0f, 1.0f);
    cholesky_solve_columns(factor.view(), left.view());
    for (std::int64_t j = 0; j < x.size(); ++j) x.data()[j] += left.data()[j];
  }
  return x;
}

}  // namespace

LayerWeights TrainingInput::reduced(LayerWeights layer) const {
  if (kind == InputKind::qr) layer.w = coordinates(std::move(layer.w));
  if (kind != InputKind::kernel) return layer;
  Matrix outputs(basis.rows(), layer.w.rows());  // of the training nodes
  gemm(basis.view(), false, layer.w.view(), true, outputs.view());
  for (std::int64_t i = 0; i < layer.w.rows(); ++i) {
    layer.b[static_cast<std::size_t>(i)] += static_cast<float>(dot(layer.w.row(i), mean));
  }
  layer.w = transposed(solved(train.view(), outputs).view());
  return layer;
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

Buffer DeviceInput::floats(Device& device, std::int64_t count, const char* what, MemoryKind kind) {
  return device.allocate(static_cast<std::size_t>(count) * sizeof(float), what, kind);
}

void DeviceInput::upload(Stream& stream, ConstMat from, const Buffer& to) {
  const ConstBytes bytes = as_bytes(from);
  stream.enqueue(ops::Upload{bytes.data, to.raw(static_cast<std::size_t>(bytes.cols))});
}

Buffer floats_of_nodes(const DeviceContext& context, std::int64_t count, const std::string& what, MemoryKind kind) {
  const std::size_t bytes = static_cast<std::size_t>(count) * sizeof(float);
  return context.staging != nullptr ? context.staging->allocate(bytes, what, kind)
                                    : context.device->allocate(bytes, what, kind);
}

DeviceInput::DeviceInput(const DeviceContext& context, const InputShape& shape) : shape_(shape) {
  if (shape.kind == InputKind::kernel) return;
  x_ = floats_of_nodes(context, shape.nodes * shape.inputs, "the inputs of layer 1", MemoryKind::data);
}

void DeviceInput::enqueue_stage(Stream&, const TrainingInput&, const LayerWeights&) {}

void DeviceInput::enqueue_upload(Stream& stream, const TrainingInput& input, int) {
  stream.label({"input", 1, 0});
  if (shape_.kind == InputKind::kernel) return;
  upload(stream, {input.train.row(shape_.first), shape_.nodes, input.train.cols()}, x_);
}

}  // namespace gamlp
