// The sizes of a problem, and the numbers of a config that every method reads in the same way.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "host/math/activation.hpp"

namespace gamlp {

struct ExchangeConfig;  // host/config
struct ModelConfig;

// The coordinates of layer 1's inputs (input.hpp).
enum class InputKind { plain, qr, kernel };

// What automatic choices, e.g. that of the update, depend on: V training nodes, n0 inputs.
struct ProblemShape {
  std::int64_t train_nodes = 0;
  std::int64_t inputs = 0;
  std::int64_t classes = 0;
  std::int64_t shards = 1;    // of the training nodes, at least
  std::int64_t replicas = 1;  // of the network
};

// The same with the coordinates that layer 1 trains in (input.hpp). The sizes of a program depend on nothing else of
// the problem.
struct TrainingShape {
  ProblemShape problem;
  InputKind kind = InputKind::plain;
  std::int64_t input_width() const { return kind == InputKind::plain ? problem.inputs : problem.train_nodes; }
};

// Returns the bits that the schedule gives quantised tensors in `epoch` (0-based) of a stage. 0: each keeps its own.
std::int64_t scheduled_bits(const ExchangeConfig& exchange, std::int64_t epoch);

ActivationRule activation_rule(const ModelConfig& model);

}  // namespace gamlp
