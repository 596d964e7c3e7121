#include "host/method/settings.hpp"

#include <algorithm>

#include "host/core/error.hpp"
#include "host/core/number_text.hpp"
#include "host/method/input.hpp"

namespace gamlp {

namespace {

// PyTorch's defaults.
void resolve_backprop(MethodConfig& m, const ProblemShape& shape, std::string* why) {
  const bool adadelta = m.name == MethodName::adadelta, adagrad = m.name == MethodName::adagrad;
  OptimizerConfig& o = m.optimizer;
  if (!o.learning_rate) o.learning_rate = adadelta ? 1.0 : adagrad ? 1e-2 : 1e-3;
  if (!o.eps) o.eps = adadelta ? 1e-6 : adagrad ? 1e-10 : 1e-8;
  // Enough rows for a product to run at full speed; of few nodes the whole batch at once.
  if (!m.microbatches) m.microbatches = std::clamp<std::int64_t>(shape.train_nodes / 1024, 1, 16);
  // Of at least 4 nodes each (backprop_program.cpp).
  m.microbatches = std::clamp<std::int64_t>(*m.microbatches, 1, std::max<std::int64_t>((shape.train_nodes + 3) / 4, 1));
  if (why) *why = "backpropagation: exchange in float32, `exchange` and the constants of ADMM have no effect";
}

}  // namespace

void resolve_method(Config& config, const ProblemShape& shape, std::string* why) {
  MethodConfig& m = config.method;
  if (is_backprop(m)) {
    m.update = Update::gradient;
    resolve_backprop(m, shape, why);
    return;
  }
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
    throw ConfigError("method.rho: is " + number_text(*m.rho) + " and method.nu is " + number_text(*m.nu) +
                      ": the exact update needs them equal");
  }
  if (!m.weight_decay_first) m.weight_decay_first = std::min(10.0 * *m.nu, kLargestWeightDecay);
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
  // Optimisers that scale each weight by itself train otherwise in other coordinates; gradient descent does not.
  if (is_backprop(config.method) && config.method.name != MethodName::gd) return InputKind::plain;
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
