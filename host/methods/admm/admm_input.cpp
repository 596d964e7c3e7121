#include "host/methods/admm/admm_input.hpp"

#include <algorithm>

namespace gamlp {
namespace {

constexpr std::int64_t kRows = 256;

}  // namespace

AdmmInput::AdmmInput(Device& device, const InputShape& shape, const AdmmConfig& admm)
    : DeviceInput(device, shape), admm_(admm) {
  if (admm.update != Update::exact) return;
  mean_ = floats(device, shape.features, "the mean input", MemoryKind::data);
  factor_ = floats(device, shape.inputs * shape.inputs, "the factor of layer 1", MemoryKind::data);
  ridge_ = device.allocate(2 * sizeof(double), "the ridge of layer 1", MemoryKind::data);
  if (shape.kind == InputKind::kernel) {
    a_ = floats(device, shape.nodes * shape.width, "a of layer 1", MemoryKind::variables);
    c_ = floats(device, shape.nodes * shape.width, "c of layer 1", MemoryKind::weights);
    rows_ = floats(device, std::min(kRows, shape.nodes) * shape.nodes, "rows of K", MemoryKind::data);
  }
}

void AdmmInput::enqueue_upload(Stream& stream, const TrainingInput& input, int layers) {
  DeviceInput::enqueue_upload(stream, input, layers);
  if (admm_.update != Update::exact) return;
  const double nu = *admm_.nu, mu = weight_decay_of(admm_, 1, layers);
  const Mat factor = factor_.mat(shape_.inputs, shape_.inputs);
  const MatView<double> ridge = ridge_.view<double>(1, 2);
  if (shape_.kind == InputKind::kernel) {
    upload(stream, {input.mean.data(), 1, input.basis.cols()}, mean_);
    upload(stream, input.train.view(), factor_);
    stream.enqueue(ops::KernelFactor{factor, mean(), ridge, nu, admm_.exact.kappa, 0.0, mu});
    return;
  }
  stream.enqueue(ops::ColumnMean{x(), mean_.mat(1, shape_.inputs)});
  stream.enqueue(ops::Gram{x(), factor});
  stream.enqueue(ops::WFactor{factor, mean(), ridge, shape_.nodes, nu, admm_.exact.kappa, 0.0, mu});
}

void AdmmInput::enqueue_stage(Stream& stream, const TrainingInput& input, const LayerWeights& first) {
  if (shape_.kind != InputKind::kernel) return;
  stream.label({"input", 1, 0});
  c_start_ = Matrix(shape_.nodes, shape_.width);
  for (std::int64_t i = 0; i < shape_.nodes; ++i) {
    for (std::int64_t j = 0; j < shape_.width; ++j) c_start_(i, j) = first.w(j, i);
  }
  upload(stream, c_start_.view(), c_);
  for (std::int64_t row = 0; row < shape_.nodes; row += kRows) {
    const std::int64_t count = std::min(kRows, shape_.nodes - row);
    upload(stream, {input.train.row(row), count, shape_.nodes}, rows_);
    stream.enqueue(ops::Gemm{rows_.mat(count, shape_.nodes), c(), {a().row(row), count, shape_.width}});
  }
}

}  // namespace gamlp
