// Layer 1's input for ADMM. Beside x it holds what the exact update computes from x once per run.
#pragma once

#include "host/methods/admm/admm_config.hpp"
#include "host/methods/common/input.hpp"
#include "host/methods/common/stage_program.hpp"

namespace gamlp {

class AdmmInput final : public DeviceInput {
 public:
  // `admm` is resolved. The gradient update needs x alone.
  AdmmInput(const DeviceContext& context, const StageSpec& spec, int rank, const InputShape& shape,
            const AdmmConfig& admm);
  // For the exact update it also computes the factor.
  void enqueue_upload(Stream& stream, const TrainingInput& input, int layers) override;
  // In the kernel form it starts c and a = K c.
  void enqueue_stage(Stream& stream, const TrainingInput& input, const LayerWeights& first) override;

  // What follows is there on the first of the devices that have layer 1, which solves for it.

  // The mean of the original inputs' rows, 1 × n0.
  ConstMat mean() const { return {summed_row().data + gram_floats(), 1, shape_.features}; }
  // The factor of layer 1's system, and its ridge θ, λ' (ops::WFactor; kernel form: ops::KernelFactor).
  ConstMat factor() const { return {summed_row().data, shape_.inputs, shape_.inputs}; }
  MatView<const double> ridge() const { return ridge_.view<double>(1, 2); }
  // Kernel form: a = K c, and c. Both are V × width.
  Mat a() const { return a_.mat(shape_.nodes, shape_.width); }
  Mat c() const { return c_.mat(shape_.nodes, shape_.width); }

 private:
  // XᵀX, then its factor, and the mean, one behind the other.
  std::int64_t gram_floats() const { return padded_floats(shape_.inputs * shape_.inputs); }
  std::int64_t row_floats() const { return gram_floats() + padded_floats(shape_.features); }
  Mat summed_row() const { return (summed_ ? summed_ : partials_).mat(1, row_floats()); }

  AdmmConfig admm_;
  NodeBlocks blocks_;
  bool solves_;
  std::int64_t all_nodes_;
  Matrix c_start_;
  Buffer partials_, summed_;  // rows of XᵀX and the mean: of blocks, of all nodes (with shards)
  std::unique_ptr<Reduction> reduction_;
  Buffer ridge_, a_, c_;
  Buffer rows_;  // some rows of K at a time, since its factor takes its place
};

}  // namespace gamlp
