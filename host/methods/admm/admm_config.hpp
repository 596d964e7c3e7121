// The keys of config section `method` that pdADMM-G owns. configs/schema.json describes them, and a test holds the
// defaults of both together.
#pragma once

#include <optional>
#include <vector>

#include "host/config/options.hpp"

namespace gamlp {

enum class Update { automatic, gradient, exact };
template <>
inline constexpr std::array<EnumName<Update>, 3> enum_names<Update>{
    {{Update::automatic, "auto"}, {Update::gradient, "gradient"}, {Update::exact, "exact"}}};

// Constants of the exact update (docs/algorithm.md §4).
struct ExactConfig {
  double beta = 0.9;     // leak of the local multiplier v
  double nu2 = 4.0;      // weight of ||q − f(z)||², as a multiple of ρ
  double kappa = 1e-3;   // proximal weight towards the old W, relative to ν · mean diag(PPᵀ)
  double lambda = 10.0;  // ridge towards the identity for inner layers, relative to ν · mean diag(PPᵀ)
};
struct AdmmConfig {
  Update update = Update::automatic;
  std::optional<double> nu;                  // null: 0.01 (gradient), 0.001 (exact)
  std::optional<double> rho;                 // null: equal to ν
  std::optional<double> weight_decay_first;  // μ of layer 1; null: 10 ν
  double weight_decay = 0.0;                 // μ of the other layers
  // μ of each layer of the last stage. Replaces both. A shorter stage uses the first entries, and the last one for its
  // last layer.
  std::optional<std::vector<double>> weight_decay_layers;
  ExactConfig exact;
};

template <SectionOf<ExactConfig> T, class Visit>
void fields(T& c, Visit&& visit) {
  visit("beta", c.beta);
  visit("nu2", c.nu2);
  visit("kappa", c.kappa);
  visit("lambda", c.lambda);
}
template <SectionOf<AdmmConfig> T, class Visit>
void fields(T& c, Visit&& visit) {
  visit("update", c.update);
  visit("nu", c.nu);
  visit("rho", c.rho);
  visit("weight_decay_first", c.weight_decay_first);
  visit("weight_decay", c.weight_decay);
  visit("weight_decay_layers", c.weight_decay_layers);
  visit("exact", c.exact);
}

// Returns ν₂, the weight of ||q − f(z)||². `admm` is resolved.
inline double admm_nu2(const AdmmConfig& admm) {
  return admm.update == Update::exact ? admm.exact.nu2 * *admm.rho : *admm.nu;
}

// Returns μ of layer `layer` (1-based) in a stage of `layers` layers. `admm` is resolved.
double weight_decay_of(const AdmmConfig& admm, int layer, int layers);

}  // namespace gamlp
