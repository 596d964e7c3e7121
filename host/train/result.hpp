// Makes result.json, which says what a finished run has come to.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "host/config/config.hpp"
#include "host/cpu/cpu_device.hpp"
#include "host/methods/common/partition.hpp"
#include "host/problem/problem.hpp"
#include "host/store/checkpoint.hpp"

namespace gamlp {

// What a run has measured.
struct RunFigures {
  std::int64_t epochs = 0;
  double seconds = 0;             // training, without loading
  double evaluation_seconds = 0;  // on the evaluator's thread, beside training
  std::uint64_t bytes_sent = 0;   // by all devices
  int devices = 1;
  std::vector<DeviceTimes> times;  // per device (since it was resumed, if it was)
  std::vector<MemoryUse> memory;
  std::size_t evaluation_memory = 0;  // peak of the evaluator's device
  Placement placement;                // of the last stage
  std::string continued;              // Checkpoint::continued
  ReplicaFigures replicas;            // of the run
};

// `stages` has the best weights of every stage. `reported` (0-based) is the stage whose weights are the result.
nlohmann::ordered_json make_result(const Config& config, const Problem& problem, const std::vector<BestWeights>& stages,
                                   std::size_t reported, const RunFigures& figures);

// Returns the bytes that one epoch of the last stage would send with one device per layer, over all boundaries.
std::uint64_t bytes_per_epoch_all_boundaries(const Config& config, std::int64_t nodes);

}  // namespace gamlp
