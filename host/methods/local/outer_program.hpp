// Replicas that take an outer step together (host/math/replicas.hpp): they start from the same weights, the anchor, and
// after every τ steps of their own the mean of what they have changed moves the anchor, from which all go on.
#pragma once

#include "host/methods/local/averaging_program.hpp"

namespace gamlp {

class OuterProgram final : public AveragingProgram {
 public:
  // `by_rate`: changes are counted in learning rates of the replicas (SlowMo).
  OuterProgram(const DeviceContext& context, const StageSpec& spec, int rank, DeviceInput* input,
               const OptimizerRule& rule, const LocalMethodConfig& config, const OuterRule& outer, bool by_rate,
               const CompressedMean::Coding& coding = {}, int each = 1);
  // What the state calls its rows.
  static constexpr const char *kAnchor = "anchor", *kMomentum = "outer_momentum";

  void enqueue_start() override;

 private:
  void exchange(std::int64_t epoch, std::int64_t step) override;
  std::vector<Entry> entries() const override;

  OuterRule outer_;
  bool by_rate_;
  Buffer anchor_memory_, momentum_memory_;
  Mat anchor_, momentum_;
};

}  // namespace gamlp
