// Backpropagation whose shards are workers: what they make of their gradients is a GradientExchange's. The first
// `warmup` epochs of a stage add up gradients in float32, as GradientProgram does. All layers of a device travel
// together.
#pragma once

#include <memory>

#include "host/methods/backprop/backprop_config.hpp"
#include "host/methods/backprop/gradient_exchange.hpp"
#include "host/methods/gradient/gradient_program.hpp"

namespace gamlp {

class ExchangedGradientProgram final : public GradientProgram {
 public:
  // `config`: resolved, with gradients that are not float32.
  ExchangedGradientProgram(const DeviceContext& context, const StageSpec& spec, int rank, DeviceInput* input,
                           const OptimizerRule& rule, const BackpropConfig& config, std::int64_t warmup);

  void enqueue_start() override;

 private:
  void update(std::int64_t epoch, std::int64_t step) override;
  std::vector<Entry> entries() const override;
  void restored(const TrainingState& state) override;

  std::int64_t warmup_;  // steps
  std::unique_ptr<GradientExchange> exchange_;
};

}  // namespace gamlp
