#include "host/methods/common/settings.hpp"

#include "host/config/exchange.hpp"
#include "host/config/model.hpp"

namespace gamlp {

std::int64_t scheduled_bits(const ExchangeConfig& exchange, std::int64_t epoch) {
  std::int64_t bits = 0;
  for (const BitScheduleEntry& entry : exchange.schedule) {
    if (epoch >= entry.epoch) bits = entry.bits;
  }
  return bits;
}

ActivationRule activation_rule(const ModelConfig& model) {
  return {model.activation, model.activation == Activation::leaky_relu ? static_cast<float>(model.leaky_slope) : 0.0f};
}

}  // namespace gamlp
