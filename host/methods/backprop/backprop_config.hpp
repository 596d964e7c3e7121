// The keys of config section `method` that backpropagation owns. configs/schema.json describes them, and a test holds
// the defaults of both together.
#pragma once

#include <cstdint>
#include <optional>

#include "host/config/options.hpp"

namespace gamlp {

// Constants of the optimiser. What is null gets PyTorch's value. The loss is the mean cross-entropy.
struct OptimizerConfig {
  std::optional<double> learning_rate;  // null: 1e-3 (gd, adam), 1 (adadelta), 1e-2 (adagrad)
  double beta1 = 0.9;                   // adam
  double beta2 = 0.999;                 // adam
  double rho = 0.9;                     // adadelta
  std::optional<double> eps;            // null: 1e-8 (adam), 1e-6 (adadelta), 1e-10 (adagrad)
  double weight_decay = 0.0;            // of all weights and biases, added to their gradients
};
struct BackpropConfig {
  OptimizerConfig optimizer;
  // How many parts of the training nodes pass through the devices, one after the other. null: chosen from the
  // number of training nodes.
  std::optional<std::int64_t> microbatches;
};

template <SectionOf<OptimizerConfig> T, class Visit>
void fields(T& c, Visit&& visit) {
  visit("learning_rate", c.learning_rate);
  visit("beta1", c.beta1);
  visit("beta2", c.beta2);
  visit("rho", c.rho);
  visit("eps", c.eps);
  visit("weight_decay", c.weight_decay);
}
template <SectionOf<BackpropConfig> T, class Visit>
void fields(T& c, Visit&& visit) {
  visit("optimizer", c.optimizer);
  visit("microbatches", c.microbatches);
}

}  // namespace gamlp
