// What a config will cost: the bytes that devices exchange, flops, and memory.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "host/config/config.hpp"
#include "host/methods/common/input.hpp"
#include "host/methods/common/partition.hpp"
#include "host/problem/problem.hpp"

namespace gamlp {

// The cost of one stage. Its bytes are those of a boundary with one device per layer.
struct StageCost {
  std::string method;
  InputKind input = InputKind::plain;
  std::int64_t layers = 0, epochs = 0;
  std::int64_t boundary_bytes = 0;  // per epoch, p and q of one boundary, with the bits of the last epochs
  std::int64_t keyframe_bytes = 0;  // float32 activations that cross each boundary when the stage starts
  double flops = 0;                 // of the products of an iteration
  Placement placement;
};

// The cost of a config. To know it the program must have counted the dataset.
struct ConfigCost {
  std::int64_t train = 0, inputs = 0, classes = 0;
  std::vector<std::string> notes;  // what was chosen automatically
  std::vector<StageCost> stages;
  double memory_bytes = 0;  // of the process at its peak, all devices and stages
};

// Resolves the methods of `config` on the way.
ConfigCost config_cost(Config& config, const ProblemCounts& counts);

}  // namespace gamlp
