#include "host/methods/backprop/rounded_program.hpp"

namespace gamlp {
namespace {

constexpr RowOptions kRows{CompressedMean::kUnit, true, false};
constexpr CompressedMean::Coding kBfloat16{16, 2048, false};

}  // namespace

RoundedGradientProgram::RoundedGradientProgram(const DeviceContext& context, const StageSpec& spec, int rank,
                                               DeviceInput* input, const OptimizerRule& rule,
                                               const GradientConfig& config)
    : GradientProgram(context, spec, rank, input, rule, config, kRows), mean_(context, group_, row(), kBfloat16) {}

std::vector<std::int64_t> RoundedGradientProgram::bytes_sent(const std::vector<std::int64_t>& widths,
                                                             const LayerRange& range, int workers) {
  return CompressedMean::bytes_sent(LayerRow(widths, range, kRows.unit), kBfloat16, workers);
}

void RoundedGradientProgram::enqueue_start() {
  GradientProgram::enqueue_start();
  mean_.enqueue_table();
}

void RoundedGradientProgram::restored(const TrainingState& state) {
  GradientProgram::restored(state);
  mean_.enqueue_table();
}

// One step of the optimiser for all layers: what pads their tensors has no gradient, and stays 0.
void RoundedGradientProgram::update(std::int64_t epoch, std::int64_t) {
  const Mat gradient = own_gradient(epoch);
  context_.compute->label({"W", 0, epoch});
  // The gradients are divided by the number of all nodes of the step: their sum over the shards is the gradient.
  mean_.enqueue({}, 0.0f, gradient, static_cast<float>(group_.size()), epoch);
  enqueue(ops::ExpandRow{mean_.message(), gradient, mean_.blocks()});
  enqueue(ops::OptimizerStep{rule(), gradient, weights(), kept(0), kept(1), iteration(), rates()});
}

}  // namespace gamlp
