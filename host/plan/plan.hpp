// gamlp plan: forecasts time, memory, exchange and partition of a config on N devices of a machine, and says whether it
// fits.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "host/config/config.hpp"
#include "host/device/trace_log.hpp"
#include "host/plan/forecast.hpp"
#include "host/plan/machine.hpp"

namespace gamlp {

// The config's problem on a machine, resolved once for any number of devices.
struct PlanSubject {
  Config given;   // what is left to the program may be chosen otherwise when something changes
  Config config;  // resolved
  ProblemCounts counts;
  std::vector<InputKind> kinds;  // the coordinates of layer 1, by stage

  // Of a stage (1-based).
  TrainingShape shape(int stage) const { return {counts.shape, kinds.at(static_cast<std::size_t>(stage) - 1)}; }
  int last() const { return stage_count(config); }
};
// Counts the dataset of the config, unless `counts` gives the sizes of another problem. Dataset paths are used as they
// are.
PlanSubject plan_subject(Config config, const std::optional<ProblemCounts>& counts = {});

// Whether the machine has memory for it.
bool fits(const PlanSubject& subject, const Machine& machine, int devices);

struct StagePlan {
  std::string method;
  int layers = 0;
  std::int64_t epochs = 0;
  double step = 0;  // mean over the epochs, whose bits a schedule may change
};

// A grid of devices: runs of layers × shards of the training nodes.
struct GridPlan {
  int ranges = 1, shards = 1;
  std::optional<RankOrder> order;  // where there is a choice
  double step = 0;                 // seconds
  double memory_needed = 0;        // as in Plan
  bool fits = true;
  bool staged = false;  // tensors of nodes pass through the devices from the host's memory (node_memory)
  bool same = true;     // trains with the constants and coordinates of the grid with the fewest shards
};

struct Plan {
  Forecast forecast;             // of the last stage, with the bits of its last epoch
  double one_device = 0;         // seconds of its iteration on one device, whether it fits or not
  std::vector<LayerRange> best;  // partition
  double best_step = 0;
  std::vector<StagePlan> stages;
  double run_seconds = 0;                          // all epochs of all stages, without loading and evaluation
  bool compresses = false;                         // workers compress what they exchange (Method::uncompressed())
  double uncompressed_seconds = 0;                 // of the run, if they did not
  double memory_needed = 0, memory_available = 0;  // over all stages; gpu: of the fullest device; cpu: of the process
  double host_memory = 0;                          // cpu: part of memory_needed that is no device's
  MemoryUse evaluation;                            // gpu: of evaluating, on the last device
  std::optional<std::int64_t> node_memory;         // the config's, or what training would choose (device_room.hpp)
  bool fits() const { return memory_needed <= memory_available; }
  double speedup() const { return one_device / forecast.step; }
  std::string limit() const;  // what keeps the speedup below the number of devices
};

// The step is the mean over `iterations` simulated iterations. Throws ConfigError when the machine has fewer devices,
// the last stage fewer layers, or config.partition another number of entries.
Plan make_plan(const PlanSubject& subject, const Machine& machine, int devices, int iterations = 8);

// Every grid that the config can be placed on with the devices of `plan`, by its number of shards and, on several
// hosts, the order of its devices. `plan` is make_plan()'s, and one of them. Empty where `partition` says what it is to
// be.
std::vector<GridPlan> plan_grids(const PlanSubject& subject, const Machine& machine, const Plan& plan,
                                 int iterations = 8);
// The fastest of those that fit and train as the first one does, which training chooses. Null where none fits.
const GridPlan* fastest(const std::vector<GridPlan>& grids);
nlohmann::ordered_json to_json(const std::vector<GridPlan>& grids);

// Returns what would make it fit: more devices (GPUs), a smaller width, or what the method offers (Method::lighter()).
// Empty when nothing does.
std::vector<std::string> what_would_fit(const PlanSubject& subject, const Machine& machine, int devices);

// Writes the timeline of some iterations of the last stage, with the bits of its last epoch, into `log`.
void trace_plan(const PlanSubject& subject, const Machine& machine, int devices, int iterations, TraceLog& log);

nlohmann::ordered_json to_json(const Plan& plan);

}  // namespace gamlp
