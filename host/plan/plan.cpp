#include "host/plan/plan.hpp"

#include <algorithm>
#include <cstdio>
#include <numeric>
#include <utility>

#include "host/config/device_grid.hpp"
#include "host/config/enums.hpp"
#include "host/core/error.hpp"
#include "host/methods/registry.hpp"
#include "host/plan/choose_grid.hpp"

namespace gamlp {
namespace {

using Json = nlohmann::ordered_json;

struct MemoryNeed {
  double needed = 0, available = 0, host = 0;
  MemoryUse evaluation;
  bool fits() const { return needed <= available; }
};

// `resident`: on GPUs, where the inputs of the evaluation are (evaluator.hpp).
MemoryNeed memory_need(const PlanSubject& subject, const Machine& machine, int stage, const StageSpec& spec,
                       bool resident) {
  MemoryNeed need;
  const TrainingShape shape = subject.shape(stage);
  const std::vector<MemoryUse> devices = stage_memory(spec, shape, machine.gpu ? DeviceKind::cuda : DeviceKind::cpu);
  std::vector<double> peaks;
  for (const MemoryUse& device : devices) peaks.push_back(static_cast<double>(device.peak));
  if (machine.gpu) {
    need.evaluation =
        evaluation_memory(evaluation_shape(subject.config, shape, subject.counts.parts, resident), DeviceKind::cuda);
    peaks.back() += static_cast<double>(need.evaluation.peak);
    need.needed = *std::max_element(peaks.begin(), peaks.end());
    need.available = machine.memory_per_device;
    return need;
  }
  // On several hosts the first one has the process that reads and saves, at the most.
  const std::vector<int>& hosts = spec.placement.hosts;
  std::vector<double> of_host(static_cast<std::size_t>(machine.hosts), 0.0);
  for (std::size_t i = 0; i < peaks.size(); ++i) of_host[static_cast<std::size_t>(hosts[i])] += peaks[i];
  need.host = process_memory(subject.config, subject.counts, subject.kinds, stage, devices) -
              std::accumulate(peaks.begin(), peaks.end(), 0.0);
  need.needed = need.host + *std::max_element(of_host.begin(), of_host.end());
  need.available = machine.memory_total;
  return need;
}

StageSpec spec_of(const PlanSubject& subject, const Machine& machine, int stage, int devices) {
  return make_stage_spec(subject.config, subject.shape(stage), stage, devices, spread_over_hosts(machine, devices));
}

// The memory of the stage that needs most.
MemoryNeed largest_need(const PlanSubject& subject, const Machine& machine, int devices, bool resident) {
  MemoryNeed most;
  for (int stage = 1; stage <= subject.last(); ++stage) {
    const MemoryNeed need = memory_need(subject, machine, stage, spec_of(subject, machine, stage, devices), resident);
    if (need.needed >= most.needed) most = need;
  }
  return most;
}

// Where that does not fit easily, with inputs of the evaluation that are not resident.
MemoryNeed memory_need(const PlanSubject& subject, const Machine& machine, int devices) {
  const MemoryNeed most = largest_need(subject, machine, devices, true);
  if (!machine.gpu || most.needed <= fillable_memory(most.available, true)) return most;
  return largest_need(subject, machine, devices, false);
}

// The same on so many devices: what is chosen depends on the shards that they make.
PlanSubject on_devices(const PlanSubject& subject, int devices) {
  ProblemCounts counts = subject.counts;
  counts.shape.shards = shard_count(subject.given, devices);
  counts.shape.replicas = replica_count(subject.given, devices);
  const ProblemShape& known = subject.counts.shape;
  const bool same = counts.shape.shards == known.shards && counts.shape.replicas == known.replicas;
  return same ? subject : plan_subject(subject.given, counts);
}

// What training would choose where the config leaves it open and not all tensors of nodes fit GPUs: as much memory for
// them as is left.
PlanSubject with_node_memory(const PlanSubject& subject, const Machine& machine, int devices) {
  if (!machine.gpu || subject.config.node_memory || !(machine.host_bandwidth > 0)) return subject;
  if (memory_need(subject, machine, devices).fits()) return subject;
  PlanSubject staged = subject;
  staged.config.node_memory = 0;
  const MemoryNeed least = largest_need(staged, machine, devices, false);
  if (!least.fits()) return subject;
  // As device_room.hpp has it.
  const double left = fillable_memory(least.available, true) - least.needed;
  staged.config.node_memory = static_cast<std::int64_t>(std::max(left, 0.0)) / kNodeMemoryUnit;
  return staged;
}

bool fits(const Config& config, const PlanSubject& subject, const Machine& machine, int devices) {
  return fits(on_devices(plan_subject(config, subject.counts), devices), machine, devices);
}

// Mean step of a stage: a forecast for each part of it that a schedule gives other bits.
double mean_step(const StageSpec& spec, const TrainingShape& shape, const Machine& machine) {
  std::vector<std::int64_t> starts = {0};
  for (const std::int64_t epoch : spec.method->message_changes(spec.epochs)) {
    if (epoch > 0 && epoch < spec.epochs) starts.push_back(epoch);
  }
  double seconds = 0;
  for (std::size_t i = 0; i < starts.size(); ++i) {
    ForecastOptions options;
    options.epoch = starts[i];
    const std::int64_t end = i + 1 < starts.size() ? starts[i + 1] : spec.epochs;
    seconds += static_cast<double>(end - starts[i]) * forecast_stage(spec, shape, machine, options).step;
  }
  return seconds / static_cast<double>(spec.epochs);
}

std::string printed(const char* format, double value) {
  char text[64];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

Json ranges_json(const std::vector<LayerRange>& ranges) {
  Json json = Json::array();
  for (const LayerRange& range : ranges) json.push_back(range.count());
  return json;
}

}  // namespace

PlanSubject plan_subject(Config config, const std::optional<ProblemCounts>& counts) {
  PlanSubject subject;
  subject.counts = counts ? *counts : count_problem(config.dataset);
  subject.given = config;
  subject.kinds = resolve_problem(config, subject.counts.shape);
  subject.config = std::move(config);
  return subject;
}

bool fits(const PlanSubject& subject, const Machine& machine, int devices) {
  return memory_need(subject, machine, devices).fits();
}

Plan make_plan(const PlanSubject& given, const Machine& machine, int devices, int iterations) {
  const std::string asked = std::to_string(devices) + " devices: ";
  if (devices > machine.devices) {
    throw ConfigError(asked + machine.name + " (" + machine.origin + ") has " + std::to_string(machine.devices) +
                      (machine.gpu ? "" : " workers; another machine: --machine, or gamlp bench --machine FILE there"));
  }
  const std::string problem = grid_problem(given.config, devices);
  if (!problem.empty()) throw ConfigError(asked + problem);
  const PlanSubject subject = with_node_memory(on_devices(given, devices), machine, devices);
  const Config& config = subject.config;
  const int layers = static_cast<int>(config.stages.back().layers);
  Plan plan;
  ForecastOptions options;
  options.iterations = iterations;
  options.epoch = config.stages.back().epochs - 1;
  const int last = subject.last();
  const TrainingShape shape = subject.shape(last);
  const StageSpec spec = spec_of(subject, machine, last, devices);
  const auto forecast = [&](const std::vector<LayerRange>& ranges) {
    return forecast_stage(with_ranges(spec, ranges), shape, machine, options);
  };
  plan.forecast = forecast(spec.placement.ranges);
  StageSpec alone = with_ranges(spec, {{1, layers}});
  alone.placement.shards = alone.placement.replicas = 1;
  // Replicas that pass over the same nodes would do so one after the other.
  const double passes = static_cast<double>(spec.method->nodes_per_epoch(spec)) /
                        static_cast<double>(spec.method->nodes_per_epoch(alone));
  plan.one_device = devices == 1 ? plan.forecast.step : passes * forecast_stage(alone, shape, machine, options).step;

  const MemoryNeed need = memory_need(subject, machine, devices);
  plan.memory_needed = need.needed;
  plan.memory_available = need.available;
  plan.host_memory = need.host;
  plan.evaluation = need.evaluation;
  plan.node_memory = config.node_memory;

  plan.best = spec.placement.ranges;
  plan.best_step = plan.forecast.step;
  const std::vector<LayerRange> ranges = best_partition(spec, shape, machine, spec.placement.runs());
  const Forecast better = forecast(ranges);
  const MemoryNeed better_need = memory_need(subject, machine, last, with_ranges(spec, ranges), false);
  if (better.step < plan.best_step * 0.999 && better_need.needed <= std::max(need.available, need.needed)) {
    plan.best = ranges;
    plan.best_step = better.step;
  }

  for (int number = 1; number <= last; ++number) {
    const StageConfig& stage = config.stages[static_cast<std::size_t>(number) - 1];
    StageSpec trained = spec_of(subject, machine, number, devices);
    const double step = mean_step(trained, subject.shape(number), machine), epochs = static_cast<double>(stage.epochs);
    plan.stages.push_back({method_of(config, number).name, static_cast<int>(stage.layers), stage.epochs, step});
    plan.run_seconds += step * epochs;
    const std::shared_ptr<const Method> plain = trained.method->uncompressed();
    if (plain) trained.method = plain, plan.compresses = true;
    plan.uncompressed_seconds += (plain ? mean_step(trained, subject.shape(number), machine) : step) * epochs;
  }
  return plan;
}

std::vector<GridPlan> plan_grids(const PlanSubject& given, const Machine& machine, const Plan& plan, int iterations) {
  const int devices = plan.forecast.devices;
  std::vector<GridPlan> grids;
  const PartitionConfig& open = given.given.partition;
  if (open.workers || open.replicates || ((open.shards || open.layers) && (machine.hosts == 1 || open.order)))
    return grids;
  std::optional<PlanSubject> first;
  for (const PartitionConfig& partition : partitions_of(given.given, devices, machine.hosts)) {
    Config config = given.given;
    config.partition = partition;
    PlanSubject subject;
    try {
      subject = with_node_memory(plan_subject(std::move(config), given.counts), machine, devices);
    } catch (const ConfigError&) {  // more shards than the nodes have blocks
      continue;
    }
    if (!first) first = subject;
    const int shards = static_cast<int>(*partition.shards);
    GridPlan grid{devices / shards, shards, open.order ? std::nullopt : partition.order};
    grid.same = same_training(first->config, first->kinds, subject.config, subject.kinds);
    if (shards == plan.forecast.placement.shards &&
        partition.order.value_or(RankOrder::shards) == plan.forecast.placement.order) {
      grid.step = plan.forecast.step, grid.memory_needed = plan.memory_needed, grid.fits = plan.fits();
      grid.staged = plan.forecast.busiest().staged_bytes > 0;
    } else {
      ForecastOptions options;
      options.iterations = iterations;
      options.epoch = subject.config.stages.back().epochs - 1;
      const int last = subject.last();
      const MemoryNeed need = memory_need(subject, machine, devices);
      const Forecast forecast =
          forecast_stage(spec_of(subject, machine, last, devices), subject.shape(last), machine, options);
      grid.step = forecast.step, grid.memory_needed = need.needed, grid.fits = need.fits();
      grid.staged = forecast.busiest().staged_bytes > 0;
    }
    grids.push_back(grid);
  }
  return grids;
}

const GridPlan* fastest(const std::vector<GridPlan>& grids) {
  const GridPlan* best = nullptr;
  for (const GridPlan& grid : grids) {
    // More shards only where they are worth it: of two that take as long, the one whose messages are neighbours'.
    if (grid.fits && grid.same && (best == nullptr || grid.step < kWorthIt * best->step)) best = &grid;
  }
  return best;
}

Json to_json(const std::vector<GridPlan>& grids) {
  Json json = Json::array();
  for (const GridPlan& grid : grids) {
    json.push_back({{"layer_runs", grid.ranges},
                    {"shards", grid.shards},
                    {"order", grid.order ? Json(name_of(*grid.order)) : Json()},
                    {"step_seconds", grid.step},
                    {"memory_needed", grid.memory_needed},
                    {"fits", grid.fits},
                    {"staged", grid.staged},
                    {"same_training", grid.same}});
  }
  return json;
}

std::string Plan::limit() const {
  const double n = forecast.devices;
  const DeviceForecast& busiest = forecast.busiest();
  // The step is the busiest device's work and what it waits for; its work is what balance and overhead leave.
  const double even = forecast.balance() * busiest.busy(), alone = one_device / n;
  const auto share = [&](double seconds) { return printed("%.0f %%", 100 * std::max(0.0, seconds) / forecast.step); };
  const auto& phase = busiest.phase;
  const auto of = [&](Phase p) { return phase[static_cast<std::size_t>(p)]; };
  const double moved = of(Phase::elementwise) + of(Phase::codec) + of(Phase::copy);
  const bool staged = busiest.staging_exposed > 0;
  std::string text =
      "the busiest device spends " + share(of(Phase::gemm)) + " of a step on products, " + share(of(Phase::factor)) +
      " on factorisations, " + share(moved) + " on elementwise passes" +
      (staged ? ", and waits " + share(busiest.staging_exposed) + " for copies from the host's memory" : "");
  if (forecast.devices == 1) return text;
  text += "; lost to uneven layers " + share(busiest.busy() - even) + ", to exchange in sight " +
          share(forecast.exposed_share() * forecast.step) + ", to waiting for neighbours " +
          share(busiest.waiting - busiest.exposed - busiest.staging_exposed) +
          ", to work that one device does not have " + share(even - alone - busiest.copying);
  return text;
}

std::vector<std::string> what_would_fit(const PlanSubject& subject, const Machine& machine, int devices) {
  std::vector<std::string> found;
  const Config& config = subject.given;
  const int most = std::min(machine.devices, static_cast<int>(config.stages.back().layers));
  Config open = config;
  open.partition.layers.reset();
  for (int n = devices + 1; machine.gpu && n <= most; ++n) {
    if (!grid_problem(open, n).empty() || !fits(open, subject, machine, n)) continue;
    found.push_back(std::to_string(n) + " devices");
    break;
  }
  std::int64_t fitting = 0, low = 1, high = config.model.width;
  while (low <= high) {
    const std::int64_t width = (low + high) / 2;
    Config other = config;
    other.model.width = width;
    if (fits(other, subject, machine, devices)) {
      fitting = width;
      low = width + 1;
    } else {
      high = width - 1;
    }
  }
  if (fitting > 0) found.push_back("model.width=" + std::to_string(fitting));
  if (config.node_memory != 0) {
    Config other = config;
    other.node_memory = 0;
    if (fits(other, subject, machine, devices)) found.push_back("node_memory=0");
  }
  for (const auto& [what, other] : make_method(subject.config)->lighter(config)) {
    if (fits(other, subject, machine, devices)) found.push_back(what);
  }
  return found;
}

void trace_plan(const PlanSubject& given, const Machine& machine, int devices, int iterations, TraceLog& log) {
  const PlanSubject subject = with_node_memory(on_devices(given, devices), machine, devices);
  ForecastOptions options;
  options.iterations = iterations;
  options.epoch = subject.config.stages.back().epochs - 1;
  for (int rank = 0; rank < devices; ++rank) options.sinks.push_back(&log.sink(rank));
  const int last = subject.last();
  forecast_stage(spec_of(subject, machine, last, devices), subject.shape(last), machine, options);
}

Json to_json(const Plan& plan) {
  const Forecast& f = plan.forecast;
  Json json = {{"devices", f.devices},
               {"layers", f.layers},
               {"step_seconds", f.step},
               {"one_device_step_seconds", plan.one_device},
               {"speedup", plan.speedup()},
               {"balance", f.balance()},
               {"exposed_share", f.exposed_share()},
               {"bytes_per_boundary", {{"down", f.boundary.down}, {"up", f.boundary.up}}},
               {"bytes_per_epoch", f.bytes},
               {"network_bytes_per_epoch", f.network_bytes},
               {"shards", f.placement.shards},
               {"replicas", f.placement.replicas},
               {"order", name_of(f.placement.order)},
               {"partition", ranges_json(f.placement.ranges)},
               {"best_partition", ranges_json(plan.best)},
               {"best_step_seconds", plan.best_step},
               {"memory_needed", plan.memory_needed},
               {"memory_available", plan.memory_available},
               {"fits", plan.fits()},
               {"node_memory", plan.node_memory ? Json(*plan.node_memory) : Json()},
               {"limit", plan.limit()},
               {"run_seconds", plan.run_seconds}};
  if (plan.compresses) json["uncompressed_run_seconds"] = plan.uncompressed_seconds;
  if (!f.in_flight.empty()) json["in_flight"] = f.in_flight;
  if (plan.host_memory > 0) json["host_memory"] = plan.host_memory;
  if (plan.evaluation.peak > 0) json["evaluation_memory"] = plan.evaluation.peak;
  for (const StagePlan& stage : plan.stages) {
    json["stages"].push_back(
        {{"method", stage.method}, {"layers", stage.layers}, {"epochs", stage.epochs}, {"step_seconds", stage.step}});
  }
  for (const DeviceForecast& device : f.per_device) {
    Json entry = {{"layers", {device.layers.first, device.layers.last}}, {"busy_seconds", device.busy()}};
    for (std::size_t i = 0; i < device.phase.size(); ++i) {
      entry[std::string(phase_name(static_cast<Phase>(i))) + "_seconds"] = device.phase[i];
    }
    entry["copying_seconds"] = device.copying;
    entry["exchange_seconds"] = device.exchange;
    entry["exposed_exchange_seconds"] = device.exposed;
    entry["staging_seconds"] = device.staging;
    entry["exposed_staging_seconds"] = device.staging_exposed;
    entry["staged_bytes"] = device.staged_bytes;
    entry["idle_share"] = f.step > 0 ? device.waiting / f.step : 0.0;
    Json memory = {{"total", device.memory.peak}};
    for (std::size_t i = 0; i < kMemoryKindNames.size(); ++i) memory[kMemoryKindNames[i]] = device.memory.bytes[i];
    entry["memory"] = memory;
    json["per_device"].push_back(entry);
  }
  return json;
}

}  // namespace gamlp
