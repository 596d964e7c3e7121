// Config section `method`.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace gamlp {

enum class Update { automatic, gradient, exact };  // JSON "auto", "gradient", "exact"
struct ExactConfig {                               // algorithm of the exact update
  double beta = 0.9;                               // leak of the local multiplier v
  double nu2 = 4.0;                                // weight of ||q - f(z)||², as a multiple of rho
  double kappa = 1e-3;   // proximal weight towards the old W, relative to nu·mean diag(PPᵀ)
  double lambda = 10.0;  // ridge towards the identity for inner layers, relative to nu·mean diag(PPᵀ)
};
// What trains the network: ADMM, or full-batch backpropagation with one of PyTorch's optimisers.
enum class MethodName { pdadmm_g, gd, adadelta, adagrad, adam };  // JSON "pdadmm-g", "gd", …
enum class GrowthHead { keep, restart };
enum class Init { identity, normal, pytorch };
// Backpropagation: the constants of the optimiser, PyTorch's where they are null. The loss is the mean cross-entropy.
struct OptimizerConfig {
  std::optional<double> learning_rate;  // null: 1e-3 (gd, adam), 1 (adadelta), 1e-2 (adagrad)
  double beta1 = 0.9;                   // adam
  double beta2 = 0.999;                 // adam
  double rho = 0.9;                     // adadelta
  std::optional<double> eps;            // null: 1e-8 (adam), 1e-6 (adadelta), 1e-10 (adagrad)
  double weight_decay = 0.0;            // of all weights and biases, added to their gradients
};
struct MethodConfig {
  MethodName name = MethodName::pdadmm_g;
  Update update = Update::automatic;
  std::optional<double> nu;                                // null: 0.01 (gradient), 0.001 (exact)
  std::optional<double> rho;                               // null: equal to nu
  std::optional<double> weight_decay_first;                // mu of layer 1; null: 10 nu
  double weight_decay = 0.0;                               // mu of the other layers
  std::optional<std::vector<double>> weight_decay_layers;  // per layer of the last stage, replaces both; a shorter
                                                           // stage uses the first entries and the last one
  double init_scale_first = 0.01;                          // standard deviation of W_1; not with init "pytorch"
  // The other layers: (rectangular) identities; N(0, 0.1²) with such biases, as in the paper; or all layers as
  // PyTorch's Linear starts, uniform in ±1/sqrt(inputs).
  Init init = Init::identity;
  GrowthHead growth_head = GrowthHead::keep;
  ExactConfig exact;
  OptimizerConfig optimizer;
  std::optional<std::int64_t> microbatches;  // backpropagation: parts of the training nodes that pass through the
                                             // devices one after the other; null: chosen from their number
};

inline bool is_backprop(const MethodConfig& method) { return method.name != MethodName::pdadmm_g; }

}  // namespace gamlp
