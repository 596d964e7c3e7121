// What is known after an epoch: the objective and residual from the layers' scalars, accuracies from the
// evaluator. One record is one line of metrics.jsonl.
#pragma once

#include <cmath>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "host/method/stage_program.hpp"

namespace gamlp {

struct Accuracies {
  double train = 0, validation = 0, test = 0;  // fractions; NaN where a part has no nodes
};

struct EpochRecord {
  std::int64_t epoch = 0;        // 1-based, over the whole run
  int stage = 1;                 // 1-based
  std::int64_t stage_epoch = 0;  // 1-based
  int layers = 0;
  double objective = 0;  // augmented Lagrangian L_ρ (algorithm.md §2), with the weight decay; backpropagation: the risk
  double residual = 0;                 // Σ_l ||p_{l+1} − q_l||²; NaN where there is none (backpropagation)
  double relative_residual = 0;        // residual / Σ_l ||q_l||²
  double dual_residual = NAN;          // Σ_l ||q_l − q_l before||² / Σ_l ||q_l||², where a stop rule needs it
  double risk = 0;                     // Σ over training nodes of the cross-entropy
  std::optional<Accuracies> accuracy;  // when the epoch was evaluated
  bool awaits_evaluation = false;      // an evaluation is under way (not part of the line)
  double seconds = 0;                  // training time since the start of the run
  std::uint64_t bytes_sent = 0;        // by all devices, since the start of the run
  int bits_p = 32, bits_q = 32;
};

nlohmann::ordered_json to_json(const EpochRecord& record);

// Objective, residual and risk from the scalars of all layers of a stage (kLayerScalars each). Throws
// DivergenceError naming layer and quantity (backpropagation: the loss) when one of them is not finite. `dual`: the
// scalars hold kQStep2.
void read_scalars(const std::vector<double>& scalars, const MethodConfig& method, bool dual, EpochRecord& record);

}  // namespace gamlp
