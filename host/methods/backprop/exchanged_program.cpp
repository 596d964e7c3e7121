#include "host/methods/backprop/exchanged_program.hpp"

#include "host/methods/backprop/powersgd_exchange.hpp"
#include "host/methods/backprop/rounded_exchange.hpp"
#include "host/methods/backprop/top_k_exchange.hpp"

namespace gamlp {
namespace {

// Memory for the warm-up too, also where a forecast has none.
ProgramOptions options_for(const BackpropConfig& config) {
  if (config.gradients == GradientFormat::bf16) return {RoundedExchange::kUnit, true, false};
  const bool powersgd = config.gradients == GradientFormat::powersgd;
  return {powersgd ? PowerSgdExchange::kUnit : TopKExchange::kUnit, true, configured_warmup(config) > 0};
}

}  // namespace

ExchangedGradientProgram::ExchangedGradientProgram(const DeviceContext& context, const StageSpec& spec, int rank,
                                                   DeviceInput* input, const OptimizerRule& rule,
                                                   const BackpropConfig& config, std::int64_t warmup)
    : GradientProgram(context, spec, rank, input, rule, config, options_for(config)), warmup_(warmup * steps()) {
  if (config.gradients == GradientFormat::bf16) {
    exchange_ = std::make_unique<RoundedExchange>(context, group_, row(), spec.shards_per_host());
  } else if (config.gradients == GradientFormat::powersgd) {
    exchange_ =
        std::make_unique<PowerSgdExchange>(context, group_, spec.widths, range_, row(), config.powersgd, spec.seed);
  } else {
    exchange_ = std::make_unique<TopKExchange>(context, group_, row(), config.top_k);
  }
}

void ExchangedGradientProgram::enqueue_start() {
  GradientProgram::enqueue_start();
  exchange_->enqueue_constants();
  exchange_->enqueue_reset();
}

void ExchangedGradientProgram::restored(const TrainingState& state) {
  GradientProgram::restored(state);
  exchange_->enqueue_constants();
}

// One step of the optimiser for all layers: what pads their tensors has no gradient, and stays 0.
void ExchangedGradientProgram::update(std::int64_t epoch, std::int64_t step) {
  if (step < warmup_) return GradientProgram::update(epoch, step);
  const Mat gradient = own_gradient(epoch);
  context_.compute->label({"W", 0, epoch});
  exchange_->enqueue(gradient, epoch);
  enqueue(ops::OptimizerStep{rule(), gradient, weights(), kept(0), kept(1), iteration(), rates()});
}

std::vector<StageProgram::Entry> ExchangedGradientProgram::entries() const {
  std::vector<Entry> list = GradientProgram::entries();
  const Mat error = exchange_->error();
  for (int layer = range_.first; layer <= range_.last; ++layer) {
    const std::string id = std::to_string(layer);
    const std::int64_t values = row().size(layer);
    if (!error.empty()) {
      add_own_entry(list, "worker_error" + id, {error.data + row().first(layer), values, 1}, group_.size() * values,
                    group_.own() * values);
    }
    add_entry(list, "basis" + id, exchange_->basis(layer));
  }
  return list;
}

}  // namespace gamlp
