#include "host/admm/settings.hpp"

#include <algorithm>

#include "host/admm/input.hpp"
#include "host/core/error.hpp"

namespace gamlp {

void resolve_method(Config& config, const ProblemShape& shape, std::string* why) {
  MethodConfig& m = config.method;
  if (m.update == Update::automatic) {
    // The exact blocks cost 4.5 products of 2n²V per layer and 7n³ for the factorisations: worth it, and
    // needed for accuracy, once there are several training nodes per neuron (algorithm.md §9).
    const bool exact = shape.train_nodes >= 4 * config.model.width;
    m.update = exact ? Update::exact : Update::gradient;
    if (why) {
      *why = std::string("update ") + (exact ? "exact" : "gradient") + ": " + std::to_string(shape.train_nodes) +
             " training nodes are " + (exact ? "at least" : "fewer than") + " 4 × the width of " +
             std::to_string(config.model.width);
    }
  }
  const bool exact = m.update == Update::exact;
  if (!m.nu) m.nu = m.rho ? *m.rho : (exact ? 1e-3 : 1e-2);
  if (!m.rho) m.rho = *m.nu;
  if (exact && *m.rho != *m.nu) {
    throw ConfigError("method.rho: is " + std::to_string(*m.rho) + " and method.nu is " + std::to_string(*m.nu) +
                      ": the exact update needs them equal");
  }
  if (!m.weight_decay_first) m.weight_decay_first = 10.0 * *m.nu;
}

InputKind resolve_problem(Config& config, const ProblemShape& shape, std::vector<std::string>* notes) {
  std::string why;
  const auto note = [&] {
    if (notes != nullptr && !why.empty()) notes->push_back(why);
    why.clear();
  };
  resolve_method(config, shape, &why);
  note();
  std::int64_t epochs = 0;
  for (const StageConfig& stage : config.stages) epochs += stage.epochs;
  const InputKind kind = choose_input_kind(shape, config.method.update, config.model.width, epochs, &why);
  note();
  return kind;
}

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

double weight_decay_of(const MethodConfig& method, int layer, int layers) {
  if (method.weight_decay_layers) {
    const auto& values = *method.weight_decay_layers;
    const std::size_t last = values.size() - 1;
    return layer == layers ? values[last] : values[std::min(static_cast<std::size_t>(layer - 1), last)];
  }
  return layer == 1 ? *method.weight_decay_first : method.weight_decay;
}

}  // namespace gamlp
