// Backpropagation whose gradients the shards send each other in bfloat16: half the bytes of GradientProgram, which adds
// them up in float32. Each shard rounds the gradient of its own nodes, and whoever serves a part of it the mean
// (CompressedMean). All layers of a device go in one message to each other shard.
#pragma once

#include "host/methods/gradient/compressed_mean.hpp"
#include "host/methods/gradient/gradient_program.hpp"

namespace gamlp {

class RoundedGradientProgram final : public GradientProgram {
 public:
  RoundedGradientProgram(const DeviceContext& context, const StageSpec& spec, int rank, DeviceInput* input,
                         const OptimizerRule& rule, const GradientConfig& config);

  void enqueue_start() override;

  // What each of `workers` shards sends in an epoch, for layers of these widths, in bytes.
  static std::vector<std::int64_t> bytes_sent(const std::vector<std::int64_t>& widths, const LayerRange& range,
                                              int workers);

 private:
  void update(std::int64_t epoch, std::int64_t step) override;
  void restored(const TrainingState& state) override;

  CompressedMean mean_;
};

}  // namespace gamlp
