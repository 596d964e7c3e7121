// What the processes of a run (host/dist) tell each other, beside the exchange of their devices. They gather, broadcast
// and compare. All functions are collective: every process calls them, in the same order. In a run of one process they
// exchange nothing.
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
#include "host/train/warm_start.hpp"

namespace gamlp {

// What the processes know together after an epoch.
struct EpochShare {
  std::uint64_t bytes_sent = 0;  // by the devices of the process; afterwards by all
  bool stop = false;             // a signal asked the process to stop; afterwards any
  bool ended = false;            // rank 0 has seen that the stage is to end; afterwards everywhere
  // Hashes of the weights of each device of the stage, 0 for those of other processes; afterwards of all. May be empty.
  std::vector<std::uint64_t> hashes;
};
// `scalars` has the same number of values for each layer of each replica. Before the call those of the process's layers
// are filled in, afterwards all of them, on every process.
void share_epoch(ProcessGroup& group, const Placement& placement, std::vector<double>& scalars, EpochShare& share);

// Returns the hash of all weights from those of each device (EpochShare::hashes), 0 without any. Throws DeviceError
// where devices of the same layers have other ones: their weights are not the same.
std::uint64_t hash_of_replicas(const Placement& placement, const std::vector<std::uint64_t>& hashes,
                               std::int64_t epoch);

// Rank `ranks[i]` gets part i of the rows of rank 0's matrix, unless `whole`, its own, has them all. Where there are
// more ranks than parts, the parts begin again. Rank 0 keeps all.
Matrix scatter_rows(ProcessGroup& group, const Matrix& whole, const Parts& rows, const std::vector<int>& ranks);

// Gathers the layers of the network of each replica, of the stage's shape. Afterwards rank 0 has all of them.
void gather_weights(ProcessGroup& group, const Placement& placement, std::vector<Network>& networks);
// Afterwards every process has rank 0's network. It must have the same shape everywhere.
void broadcast_weights(ProcessGroup& group, Network& network);

// Afterwards rank 0 has the tensors of all processes.
void gather_state(ProcessGroup& group, TrainingState& state);
// Rank 0 has a whole state. Every other process gets the rows that it names, as far as the state has them.
TrainingState scatter_state(ProcessGroup& group, const TrainingState& whole, const std::vector<StateRows>& rows);

// Returns, on every process, the bytes that the devices of all processes have sent.
std::uint64_t gather_bytes_sent(ProcessGroup& group, const Fleet& fleet);
// They return on rank 0 what each device of the run measured, by rank. Elsewhere only what the process's own measured.
std::vector<DeviceTimes> gather_times(ProcessGroup& group, const Fleet& fleet);
std::vector<MemoryUse> gather_memory(ProcessGroup& group, const Fleet& fleet);

// What a run starts with: the problem, its config with the choices that depend on the data, where a resumed run stands,
// and the weights that another run begins with (train.from).
struct TrainingStart : PreparedProblem {
  std::optional<Checkpoint> from;
  std::optional<WarmStart> warm;

  // What the problem takes over of the data that the weights were trained on.
  Preparation trained() const { return warm ? warm->preparation : Preparation(); }
};
// Afterwards every process has rank 0's config.
void broadcast_config(ProcessGroup& group, Config& config);
// Every process has the same config, except for the choices that rank 0 has made. Afterwards the others have these too.
// They also have the sizes of the problem, the training labels, and where a resumed run stands (without its tensors).
// Returns rank 0's start.trained().
Preparation broadcast_start(ProcessGroup& group, TrainingStart& start);

// Afterwards rank 0's timeline has the spans of every device, by rank 0's clock.
void gather_trace(ProcessGroup& group, TraceLog& trace);

// Throws AgreedError where the problem that a process has read is not rank 0's.
void expect_same_problem(ProcessGroup& group, const Problem& problem);
// Throws AgreedError where a config, or the `build` of this program, differs from rank 0's. It names the differences.
void expect_same_program(ProcessGroup& group, const Config& config, const std::string& build);

}  // namespace gamlp
