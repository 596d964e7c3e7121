// The method's numbers for one run, resolved from the config and the problem's shape.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "host/config/config.hpp"
#include "host/device/ops.hpp"

namespace gamlp {

// The largest weight decay that the schema allows: a run's config.json holds the derived one, and must be a valid
// config itself. A number here, as gpu_check (tests/gpu) is built where there is no schema.
inline constexpr double kLargestWeightDecay = 1e6;

// Coordinates of layer 1's inputs (input.hpp).
enum class InputKind { plain, qr, kernel };

// What the choice of update depends on. V training nodes, n0 inputs.
struct ProblemShape {
  std::int64_t train_nodes = 0;
  std::int64_t inputs = 0;
  std::int64_t classes = 0;
};

// The same with the coordinates that layer 1 trains in (input.hpp): all that a program's sizes depend on.
struct TrainingShape {
  ProblemShape problem;
  InputKind kind = InputKind::plain;
  std::int64_t input_width() const { return kind == InputKind::plain ? problem.inputs : problem.train_nodes; }
};

// Replaces every null of `config.method` that its method uses, and update "auto", by the value used. `why` (optional)
// receives a sentence on the choice of update. Throws ConfigError when the values contradict each other.
void resolve_method(Config& config, const ProblemShape& shape, std::string* why = nullptr);

// Resolves the method, and chooses layer 1's coordinates for all epochs of the config. `notes` (optional) receives a
// sentence on each automatic choice.
InputKind resolve_problem(Config& config, const ProblemShape& shape, std::vector<std::string>* notes = nullptr);

// The bits that the schedule gives quantised tensors in `epoch` (0-based) of a stage; 0: their own.
std::int64_t scheduled_bits(const ExchangeConfig& exchange, std::int64_t epoch);

ActivationRule activation_rule(const ModelConfig& model);

// μ of layer `layer` (1-based) in a stage of `layers` layers. The method must be resolved.
double weight_decay_of(const MethodConfig& method, int layer, int layers);

}  // namespace gamlp
