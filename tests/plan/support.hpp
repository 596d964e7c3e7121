// Machines and problems made up for the tests of host/plan.
#pragma once

#include "host/plan/plan.hpp"
#include "tests/train/support.hpp"

namespace gamlp::test {

// Rates that make times easy to work out: 1 TFLOP/s, 1 TB/s, no overheads.
inline nlohmann::ordered_json simple_gpus(int devices = 4) {
  return {{"name", "made-up GPUs"}, {"kind", "gpu"},
          {"devices", devices},     {"memory_per_device", 1e9},
          {"gemm_tflops", 1.0},     {"gemm_saturation", 0.0},
          {"multiprocessors", 10},  {"factor_column_seconds", 0.0},
          {"factor_share", 0.5},    {"memory_bandwidth", 1e12},
          {"op_seconds", 0.0},      {"link", {{"bandwidth", 1e9}, {"latency", 0.0}}}};
}

inline nlohmann::ordered_json simple_workers() {
  return {{"name", "made-up workers"},
          {"kind", "cpu"},
          {"devices", 2},
          {"memory_total", 1e9},
          {"threads_per_device", 1},
          {"library", "none"},
          {"copy_bandwidth", 1e9},
          {"seconds", {{"1", {{"gemm:nn", {{100, 100, 100, 1e-3}}}}}}}};
}

inline Machine machine_of(const nlohmann::ordered_json& json) { return parse_machine(json.dump(), "test.json"); }

inline ProblemCounts counts_of(std::int64_t nodes, std::int64_t inputs, std::int64_t classes) {
  ProblemCounts counts;
  counts.shape = {nodes, inputs, classes};
  counts.parts[0] = counts.nodes = nodes;
  return counts;
}

}  // namespace gamlp::test
