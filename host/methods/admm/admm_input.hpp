// Layer 1's input for ADMM. Beside x it holds what the exact update computes from x once per run.
#pragma once

#include "host/methods/admm/admm_config.hpp"
#include "host/methods/common/input.hpp"

namespace gamlp {

class AdmmInput final : public DeviceInput {
 public:
  // `admm` is resolved. The gradient update needs x alone.
  AdmmInput(Device& device, const InputShape& shape, const AdmmConfig& admm);
  // For the exact update it also computes the factor.
  void enqueue_upload(Stream& stream, const TrainingInput& input, int layers) override;
  // In the kernel form it starts c and a = K c.
  void enqueue_stage(Stream& stream, const TrainingInput& input, const LayerWeights& first) override;

  // The mean of the original inputs' rows, 1 × n0.
  ConstMat mean() const { return mean_.mat(1, shape_.features); }
  // The factor of layer 1's system, and its ridge θ, λ' (ops::WFactor; kernel form: ops::KernelFactor).
  ConstMat factor() const { return factor_.mat(shape_.inputs, shape_.inputs); }
  MatView<const double> ridge() const { return ridge_.view<double>(1, 2); }
  // Kernel form: a = K c, and c. Both are V × width.
  Mat a() const { return a_.mat(shape_.nodes, shape_.width); }
  Mat c() const { return c_.mat(shape_.nodes, shape_.width); }

 private:
  AdmmConfig admm_;
  Matrix c_start_;
  Buffer mean_, factor_, ridge_, a_, c_;
  Buffer rows_;  // some rows of K at a time, since its factor takes its place
};

}  // namespace gamlp
