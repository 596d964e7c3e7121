// APMSqueeze (Tang et al., arXiv 2008.11343) as a program over the seam: Adam whose momentum is compressed. Each shard
// of the training nodes is a worker. n of them have the same layers, and the same weights, momentum m and mean square
// v.
//
// The first `warmup` epochs are Adam's, with gradients added up in float32. Then v is frozen. Worker i has a gradient
// g_i of its own nodes, scaled so that the mean of all g_i is the gradient of the risk. In an epoch
//   1. s = β₁ m + (1 − β₁) g_i + e_i, and e_i ← s − C(s)         C: host/math/compress.hpp
//   2. every worker sends C(s) of part r of the row of weights to worker r (all-to-all)
//   3. worker r: s = mean of part r over the workers + E_r, and E_r ← s − C(s)
//   4. every worker gets C(s) of all parts (all-gather): it is the new m
//   5. x ← x − rate · clip((m/(1 − β₁ᵗ))/(√(v/(1 − β₂^warmup)) + ε))
// The errors e and E are what compression has lost so far. They are added to what is compressed next, so that nothing
// is lost for good. All layers of a device go in one message to each worker: two rounds in all.
//
// Where workers are in groups (CompressedMean), a group has one gradient, the mean of its workers', and one error.
//
// Bits depend on the number of workers and groups, since each has errors of its own. They do not depend on the
// partition of the layers: blocks, which share a scale, are those of a tensor (compress_layout.hpp).
#pragma once

#include <cstdint>
#include <vector>

#include "host/methods/apmsqueeze/apmsqueeze_config.hpp"
#include "host/methods/gradient/compressed_mean.hpp"
#include "host/methods/gradient/gradient_program.hpp"

namespace gamlp {

class ApmProgram final : public GradientProgram {
 public:
  // `config` is resolved. `warmup`: epochs of the stage, at least 1; a forecast of what comes after them has 0.
  ApmProgram(const DeviceContext& context, const StageSpec& spec, int rank, DeviceInput* input,
             const OptimizerRule& rule, const ApmConfig& config, std::int64_t warmup);

  // The scalars of a layer after those of GradientProgram, where the config asks when v has settled: the mean of √v of
  // the last epochs, which take turns.
  static constexpr std::int64_t kWindow = 10;
  static constexpr int kRoots = kScalars, kSettledScalars = kScalars + static_cast<int>(kWindow) + 1;
  static int scalars_of(const SqueezeConfig& squeeze) { return squeeze.settled ? kSettledScalars : kScalars; }

  void enqueue_start() override;
  void enqueue_iteration(std::int64_t epoch, bool metrics) override;
  void observe(std::int64_t epoch, const std::vector<double>& scalars) override;

  // What each of `workers` devices sends in an epoch after the warm-up, for layers of these widths, in bytes.
  static std::vector<CompressedMean::Sent> bytes_sent(const std::vector<std::int64_t>& widths, const LayerRange& range,
                                                      const SqueezeConfig& squeeze, int workers, int each = 1);
  // How many of a stage's workers add up their gradients in float32 before they are compressed.
  static int group_size(const SqueezeConfig& squeeze, const StageSpec& spec);

 private:
  void update(std::int64_t epoch, std::int64_t step) override;
  std::vector<Entry> entries() const override;
  void restored(const TrainingState& state) override;
  void upload_constants();
  void upload_warmup();
  bool saves_scalars() const override { return squeeze_.settled.has_value(); }
  void floor_squares(std::int64_t epoch);
  // The mean of √v after an epoch, corrected for the bias of v: the sum of those of all layers, whatever their size.
  double root_of(std::int64_t epoch, const std::vector<double>& scalars) const;

  SqueezeConfig squeeze_;
  std::int64_t warmup_;  // steps
  // What the state has: a stage that goes on with more epochs keeps the warm-up that it had.
  std::int32_t saved_warmup_;
  CompressedMean mean_;
  Buffer root_memory_, warmup_memory_;
};

}  // namespace gamlp
