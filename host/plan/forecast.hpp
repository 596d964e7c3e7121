// The forecast of a run: the stage program itself, on simulated devices with a machine's costs.
#pragma once

#include <array>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "host/config/devices.hpp"
#include "host/device/trace.hpp"
#include "host/methods/common/method.hpp"
#include "host/plan/machine.hpp"
#include "host/train/evaluator.hpp"

namespace gamlp {

struct DeviceForecast {
  LayerRange layers;
  // Seconds of one iteration: the compute stream at work by phase (ops.hpp), copying messages (CPU workers), and
  // standing still, of which `exposed` while a message was moving and the rest for a neighbour that was not ready.
  std::array<double, 5> phase{};
  double copying = 0, waiting = 0, exposed = 0;
  double exchange = 0;  // messages under way, hidden or not
  MemoryUse memory;
  double busy() const;
};

struct Forecast {
  int devices = 1;
  int layers = 0;
  double step = 0;                         // seconds of one iteration
  std::vector<DeviceForecast> per_device;  // those that own layers
  BoundaryBytes boundary;                  // per iteration
  std::vector<LayerRange> ranges() const;
  const DeviceForecast& busiest() const;
  // Share of a step in which the busiest device has messages in sight: waits for moving ones, or copies them itself.
  double exposed_share() const;
  // Σ busy / (devices · the busiest): 1 when all devices work equally long.
  double balance() const;
};

struct ForecastOptions {
  int iterations = 8;             // measured
  std::int64_t epoch = 0;         // whose bits the schedule gives to all of them
  std::vector<TraceSink*> sinks;  // per device, empty or null: none; see only the measured iterations
};

// The same stage on other devices.
StageSpec with_ranges(StageSpec spec, std::vector<LayerRange> ranges);

// What a stage allocates on each device: counted by the program itself, on devices without memory. `kind`: CUDA devices
// have a workspace of their own beside it.
std::vector<MemoryUse> stage_memory(const StageSpec& spec, const TrainingShape& shape, DeviceKind kind);

// What evaluating allocates on its device, likewise.
MemoryUse evaluation_memory(const EvaluationShape& shape, DeviceKind kind);

// One stage of `spec` (its ranges one per device).
Forecast forecast_stage(const StageSpec& spec, const TrainingShape& shape, const Machine& machine,
                        const ForecastOptions& options = {});

// Seconds of an iteration of each layer on one device.
std::vector<double> layer_seconds(const StageSpec& spec, const TrainingShape& shape, const Machine& machine);

// A contiguous partition with a short step: balanced by the layers' seconds on one device, then improved by moving
// layers over the ends of the busiest device as long as that helps.
std::vector<LayerRange> best_partition(const StageSpec& spec, const TrainingShape& shape, const Machine& machine,
                                       int devices);

// What of `available` bytes of a GPU a run may fill. Where inputs of the evaluation are to be resident, which is a
// choice, some is left: allocations are rounded up, and libraries take some of it.
constexpr double fillable_memory(double available, bool resident) { return resident ? 0.95 * available : available; }

// Bytes of the process of CPU workers at its peak, in a stage that allocates `devices`: while it loads the graph, or
// while it trains and, with `train.checkpoint_every`, saves checkpoints.
double process_memory(const Config& config, const ProblemCounts& counts, InputKind kind,
                      const std::vector<MemoryUse>& devices);

}  // namespace gamlp
