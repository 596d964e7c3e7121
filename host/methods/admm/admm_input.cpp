#include "host/methods/admm/admm_input.hpp"

#include <cmath>

#include "host/methods/admm/admm_scalars.hpp"

namespace gamlp {

AdmmInput::AdmmInput(Device& device, const InputShape& shape, const AdmmConfig& admm)
    : DeviceInput(device, shape), admm_(admm) {
  if (admm.update != Update::exact) return;
  mean_ = floats(device, shape.features, "the mean input", MemoryKind::data);
  factor_ = floats(device, shape.inputs * shape.inputs, "the factor of layer 1", MemoryKind::data);
  ridge_ = device.allocate(2 * sizeof(double), "the ridge of layer 1", MemoryKind::data);
  if (shape.kind == InputKind::kernel) {
    a_ = floats(device, shape.nodes * shape.width, "a of layer 1", MemoryKind::variables);
    c_ = floats(device, shape.nodes * shape.width, "c of layer 1", MemoryKind::weights);
  }
}

void AdmmInput::enqueue_upload(Stream& stream, const TrainingInput& input, const Network& network) {
  DeviceInput::enqueue_upload(stream, input, network);
  if (admm_.update != Update::exact) return;
  const double nu = *admm_.nu, mu = weight_decay_of(admm_, 1, static_cast<int>(network.size()));
  const auto factor_memory = [&] { return factor_.mat(shape_.inputs, shape_.inputs); };
  if (shape_.kind == InputKind::kernel) {
    upload(stream, {input.mean.data(), 1, input.basis.cols()}, mean_);
    upload(stream, input.train.view(), factor_);
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
    upload(stream, c_start_.view(), c_);
    stream.enqueue(ops::Gemm{factor(), c(), a()});
    stream.enqueue(
        ops::KernelFactor{factor_memory(), mean(), ridge_.view<double>(1, 2), nu, admm_.exact.kappa, 0.0, mu});
    return;
  }
  stream.enqueue(ops::ColumnMean{x(), mean_.mat(1, shape_.inputs)});
  stream.enqueue(ops::Gram{x(), factor_memory()});
  stream.enqueue(
      ops::WFactor{factor_memory(), mean(), ridge_.view<double>(1, 2), shape_.nodes, nu, admm_.exact.kappa, 0.0, mu});
}

}  // namespace gamlp
