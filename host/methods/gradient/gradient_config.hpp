// The keys of config section `method` that all methods have which follow gradients. configs/schema.json describes them,
// and a test holds the defaults of both together.
#pragma once

#include <cstdint>
#include <optional>

#include "host/config/options.hpp"

namespace gamlp {

enum class ScheduleKind { constant, cosine, step };
template <>
inline constexpr std::array<EnumName<ScheduleKind>, 3> enum_names<ScheduleKind>{
    {{ScheduleKind::constant, "constant"}, {ScheduleKind::cosine, "cosine"}, {ScheduleKind::step, "step"}}};

// The learning rate over the epochs of a stage (learning_rates.hpp).
struct ScheduleConfig {
  ScheduleKind kind = ScheduleKind::constant;
  std::int64_t warmup = 0;   // epochs in which the rate rises linearly
  double final = 0.0;        // cosine: share of the rate that it falls to
  std::int64_t every = 100;  // step: epochs between steps
  double factor = 0.1;       // step: what each multiplies the rate by
};
// Constants of the optimiser. What is null gets PyTorch's value. The loss is the mean cross-entropy.
struct OptimizerConfig {
  std::optional<double> learning_rate;  // null: 1e-3 (gd, nesterov, adam), 1 (adadelta), 1e-2 (adagrad)
  double momentum = 0.9;                // nesterov
  double beta1 = 0.9;                   // adam
  double beta2 = 0.999;                 // adam
  double rho = 0.9;                     // adadelta
  std::optional<double> eps;            // null: 1e-8 (adam), 1e-6 (adadelta), 1e-10 (adagrad)
  double weight_decay = 0.0;            // of all weights and biases, added to their gradients
  bool decoupled_weight_decay = false;  // adam: as AdamW, not added to gradients
  ScheduleConfig schedule;
};
struct GradientConfig {
  OptimizerConfig optimizer;
  // How many parts of the training nodes pass through the devices, one after the other. null: chosen from the
  // number of training nodes.
  std::optional<std::int64_t> microbatches;
  std::optional<std::int64_t> batch;  // training nodes of a step; null: all
  // Shares of each layer's inputs that an iteration leaves out: of layer 1, and of the others.
  double input_dropout = 0.0, dropout = 0.0;
};

template <SectionOf<ScheduleConfig> T, class Visit>
void fields(T& c, Visit&& visit) {
  visit("kind", c.kind);
  visit("warmup", c.warmup);
  visit("final", c.final);
  visit("every", c.every);
  visit("factor", c.factor);
}
template <SectionOf<OptimizerConfig> T, class Visit>
void fields(T& c, Visit&& visit) {
  visit("learning_rate", c.learning_rate);
  visit("momentum", c.momentum);
  visit("beta1", c.beta1);
  visit("beta2", c.beta2);
  visit("rho", c.rho);
  visit("eps", c.eps);
  visit("weight_decay", c.weight_decay);
  visit("decoupled_weight_decay", c.decoupled_weight_decay);
  visit("schedule", c.schedule);
}
template <SectionOf<GradientConfig> T, class Visit>
void fields(T& c, Visit&& visit) {
  visit("optimizer", c.optimizer);
  visit("microbatches", c.microbatches);
  visit("batch", c.batch);
  visit("input_dropout", c.input_dropout);
  visit("dropout", c.dropout);
}

}  // namespace gamlp
