// Forecasts a run. The stage program itself runs, on simulated devices (host/sim) with the costs of a machine.
#pragma once

#include <array>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "host/config/device_names.hpp"
#include "host/device/trace.hpp"
#include "host/methods/common/method.hpp"
#include "host/plan/machine.hpp"
#include "host/train/evaluator.hpp"

namespace gamlp {

struct DeviceForecast {
  LayerRange layers;
  // Seconds of one iteration. The compute stream is at work, by phase (ops/base.hpp), it copies messages (CPU workers),
  // or it stands still. For `exposed` of that time a message is moving, and for the rest a neighbour is not ready.
  std::array<double, 5> phase{};
  double copying = 0, waiting = 0, exposed = 0;
  double exchange = 0;  // messages under way, hidden or not
  // Copies between a GPU and the host's memory (Staging): under way, and the part of it in which computing stood still.
  double staging = 0, staging_exposed = 0;
  std::uint64_t staged_bytes = 0;  // copied to the device and back
  MemoryUse memory;
  double busy() const;
};

// One stage on a machine.
struct Forecast {
  int devices = 1;
  int layers = 0;
  double step = 0;                         // seconds of one iteration
  std::vector<DeviceForecast> per_device;  // those that own layers
  Placement placement;
  std::string in_flight;    // Method::in_flight_text()
  BoundaryBytes boundary;   // per iteration, between two runs of layers, of all shards and replicas
  std::uint64_t bytes = 0;  // per iteration, which all devices send
  // Per iteration, what the host that exchanges most with others sends or receives, whichever is more.
  std::uint64_t network_bytes = 0;
  // Of these, what the shards send each other.
  std::uint64_t shard_bytes() const {
    const auto boundaries = static_cast<std::int64_t>(placement.ranges.size()) - 1;
    return bytes - static_cast<std::uint64_t>((boundary.down + boundary.up) * boundaries);
  }
  const DeviceForecast& busiest() const;
  // Share of a step in which the busiest device waits for messages that are moving, or copies them itself.
  double exposed_share() const;
  // Σ busy / (devices · the busiest). It is 1 when all devices work equally long.
  double balance() const;
};

struct ForecastOptions {
  int iterations = 8;             // measured
  std::int64_t epoch = 0;         // the epoch of the stage whose bits all of them have
  std::vector<TraceSink*> sinks;  // per device, empty or null: none; see only the measured iterations
};

// Returns the same stage with these ranges of layers, one per device.
StageSpec with_ranges(StageSpec spec, std::vector<LayerRange> ranges);

// Returns what a stage allocates on each device. The program itself allocates it, on devices without memory. CUDA
// devices (`kind`) have a workspace of their own beside it.
std::vector<MemoryUse> stage_memory(const StageSpec& spec, const TrainingShape& shape, DeviceKind kind);

// Returns what the evaluation allocates on its device, likewise.
MemoryUse evaluation_memory(const EvaluationShape& shape, DeviceKind kind);

// Forecasts the stage `spec`. Where its placement does not say on which hosts its devices are, they are spread over the
// machine's.
Forecast forecast_stage(const StageSpec& spec, const TrainingShape& shape, const Machine& machine,
                        const ForecastOptions& options = {});

// Returns the seconds of an iteration of each layer, all on one device.
std::vector<double> layer_seconds(const StageSpec& spec, const TrainingShape& shape, const Machine& machine);

// Returns a contiguous partition with a short step. It starts balanced by the layers' seconds on one device. Then it
// moves layers over the ends of the busiest device as long as that helps. It has `ranges` runs of layers, and the
// shards of `spec`.
std::vector<LayerRange> best_partition(const StageSpec& spec, const TrainingShape& shape, const Machine& machine,
                                       int ranges);

// How many of `available` bytes of a GPU a run may fill. Where it chooses to fill them (`chosen`: inputs of the
// evaluation, tensors of nodes beside staged ones), some are left free: allocations are rounded up, and libraries take
// some.
constexpr double fillable_memory(double available, bool chosen) { return chosen ? 0.95 * available : available; }

// Returns the bytes that the process of CPU workers has at its peak, in stage `stage` (1-based), which allocates
// `devices`. `kinds`: the coordinates of layer 1, by stage. The peak
// comes while the process loads the graph, or while it trains and, with `train.checkpoint_every`, saves checkpoints.
double process_memory(const Config& config, const ProblemCounts& counts, const std::vector<InputKind>& kinds, int stage,
                      const std::vector<MemoryUse>& devices);

}  // namespace gamlp
