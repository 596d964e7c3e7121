// What the processes of a run (host/dist) tell each other beside the exchange of their devices: they gather, broadcast,
// and compare. In a run of one process nothing happens. Collective: every process calls, in the same order.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "host/device/fleet.hpp"
#include "host/device/trace_log.hpp"
#include "host/dist/process_group.hpp"
#include "host/methods/common/stage_program.hpp"
#include "host/problem/problem.hpp"
#include "host/store/checkpoint.hpp"

namespace gamlp {

// What the processes know together after an epoch.
struct EpochShare {
  std::uint64_t bytes_sent = 0;  // by the devices of the process; afterwards by all
  bool stop = false;             // a signal asked the process to stop; afterwards any
};
// scalars: as many for each layer, those of the process's layers filled in; afterwards all, everywhere.
void share_epoch(ProcessGroup& group, const std::vector<LayerRange>& ranges, std::vector<double>& scalars,
                 EpochShare& share);

// Layers of a network of the stage's shape: afterwards rank 0 has all of them.
void gather_weights(ProcessGroup& group, const std::vector<LayerRange>& ranges, Network& network);
// Afterwards every process has rank 0's network. Of the same shape everywhere.
void broadcast_weights(ProcessGroup& group, Network& network);

// Afterwards rank 0 has everybody's tensors.
void gather_state(ProcessGroup& group, TrainingState& state);
// Rank 0 has a whole state; the others get the tensors that they name, if there are such.
TrainingState scatter_state(ProcessGroup& group, const TrainingState& whole, const std::vector<std::string>& names);

// Bytes that the devices of all processes have sent, everywhere.
std::uint64_t gather_bytes_sent(ProcessGroup& group, const Fleet& fleet);
// What each device of the run measured, by rank, on rank 0; elsewhere the process's own.
std::vector<DeviceTimes> gather_times(ProcessGroup& group, const Fleet& fleet);
std::vector<MemoryUse> gather_memory(ProcessGroup& group, const Fleet& fleet);

// What a run starts with: the problem, its config with every choice made, and where a resumed run stands.
struct TrainingStart {
  Config config;
  Problem problem;
  std::optional<Checkpoint> from;
};
// Afterwards every process has rank 0's config.
void broadcast_config(ProcessGroup& group, Config& config);
// Every process has the same config but for the choices that rank 0 has made. Afterwards the others have these too, the
// sizes of the problem, the training labels, and where a resumed run stands (without its tensors).
void broadcast_start(ProcessGroup& group, TrainingStart& start);

// Afterwards rank 0's timeline has every device's, on its clock.
void gather_trace(ProcessGroup& group, TraceLog& trace);

// Throws where the problem that a process has read is not rank 0's.
void expect_same_problem(ProcessGroup& group, const Problem& problem);
// Throws where a config or this program differs from rank 0's, naming the differences.
void expect_same_program(ProcessGroup& group, const Config& config, const std::string& build);

}  // namespace gamlp
