#include "host/plan/forecast.hpp"

#include <algorithm>
#include <map>
#include <memory>
#include <set>

#include "host/device/accelerator.hpp"
#include "host/device/cuda_sizes.hpp"
#include "host/device/staging.hpp"
#include "host/graph/augment.hpp"
#include "host/methods/registry.hpp"
#include "host/sim/sim_fleet.hpp"

namespace gamlp {
namespace {

sim::SimulatorOptions without_memory(const sim::CostModel* costs, bool cuda) {
  sim::SimulatorOptions options;
  options.arithmetic = false;
  options.costs = costs;
  if (cuda) options.parallel_ops = kCudaParallelOps;
  return options;
}

// A stage on simulated devices without memory.
class Run {
 public:
  Run(const StageSpec& spec, const TrainingShape& shape, const sim::CostModel* costs, bool cuda)
      : fleet_(spec.placement.devices(), without_memory(costs, cuda)) {
    const Parts nodes = spec.shard_nodes();
    for (int rank = 0; rank < fleet_.size(); ++rank) {
      DeviceContext context = fleet_.context(rank);
      if (spec.staging > 0) {
        staging_.push_back(
            std::make_unique<Staging>(*context.device, *context.compute, spec.node_memory, spec.staging));
        context.compute = context.staging = staging_.back().get();
      }
      DeviceInput* input = nullptr;
      if (spec.placement.range_of(rank) == 0) {
        const int shard = spec.placement.shard_of(rank);
        input = inputs_
                    .emplace_back(spec.method->create_input(context, spec, rank,
                                                            {shape.kind, nodes.size(shard), shape.input_width(),
                                                             shape.problem.inputs, spec.widths[1], nodes.first(shard)}))
                    .get();
      }
      programs_.push_back(spec.method->create_program(context, spec, rank, input));
    }
  }
  void start() {
    for (const auto& program : programs_) program->enqueue_start();
  }
  void iterate(int count) {
    constexpr int kAhead = 32;  // what is enqueued takes memory; simulated time does not see the pauses
    for (int i = 0; i < count; ++i, ++epoch_) {
      const int pieces = programs_.front()->pieces(epoch_);
      for (int piece = 0; piece < pieces; ++piece) {
        for (const auto& program : programs_) program->enqueue_piece(epoch_, piece, true);
      }
      if (i % kAhead == kAhead - 1) simulator().finish();
    }
    simulator().finish();
  }
  SimFleet& fleet() { return fleet_; }
  std::uint64_t staged_bytes(int rank) const {
    const auto i = static_cast<std::size_t>(rank);
    return i < staging_.size() ? staging_[i]->copied_in() + staging_[i]->copied_out() : 0;
  }
  sim::Simulator& simulator() { return fleet_.simulator(); }

 private:
  SimFleet fleet_;
  std::vector<std::unique_ptr<Staging>> staging_;     // by device
  std::vector<std::unique_ptr<DeviceInput>> inputs_;  // of layer 1
  std::vector<std::unique_ptr<StageProgram>> programs_;
  std::int64_t epoch_ = 0;
};

// Sums up spans by layer.
struct LayerSums final : TraceSink {
  explicit LayerSums(int layers) : seconds(static_cast<std::size_t>(layers) + 1) {}
  void span(const Span& span) override {
    if (span.lane == Lane::compute) seconds[static_cast<std::size_t>(span.label.layer)] += span.end - span.start;
  }
  std::vector<double> seconds;
};

// As CUDA devices count what they allocate for themselves.
void add_cuda_workspace(MemoryUse& memory) {
  memory.bytes[static_cast<std::size_t>(MemoryKind::workspace)] += kCudaWorkspaceBytes;
  memory.total += kCudaWorkspaceBytes;
  memory.peak += kCudaWorkspaceBytes;
}

// As many as asked for, and whole periods of the method, unless these are very long.
int iterations_of(const StageSpec& spec, const ForecastOptions& options) {
  constexpr std::int64_t kMost = 64;
  const std::int64_t period = std::min(spec.method->period(spec), kMost);
  return static_cast<int>((options.iterations + period - 1) / period * period);
}

}  // namespace

StageSpec with_ranges(StageSpec spec, std::vector<LayerRange> ranges) {
  spec.placement.ranges = std::move(ranges);
  return spec;
}

double DeviceForecast::busy() const {
  double sum = copying;
  for (const double seconds : phase) sum += seconds;
  return sum;
}

const DeviceForecast& Forecast::busiest() const {
  return *std::max_element(per_device.begin(), per_device.end(),
                           [](const DeviceForecast& a, const DeviceForecast& b) { return a.busy() < b.busy(); });
}

double Forecast::exposed_share() const {
  return step > 0 ? std::min(1.0, (busiest().exposed + busiest().copying) / step) : 0.0;
}

double Forecast::balance() const {
  double sum = 0;
  for (const DeviceForecast& device : per_device) sum += device.busy();
  const double most = busiest().busy();
  return most > 0 ? sum / (most * static_cast<double>(per_device.size())) : 1.0;
}

std::vector<MemoryUse> stage_memory(const StageSpec& spec, const TrainingShape& shape, DeviceKind kind) {
  Run run(spec, shape, nullptr, kind == DeviceKind::cuda);
  std::vector<MemoryUse> memory = run.fleet().memory();
  if (kind != DeviceKind::cuda) return memory;
  for (MemoryUse& device : memory) add_cuda_workspace(device);
  return memory;
}

MemoryUse evaluation_memory(const EvaluationShape& shape, DeviceKind kind) {
  SimFleet fleet(1, without_memory(nullptr, kind == DeviceKind::cuda));
  const Evaluation evaluation(*fleet.context(0).device, shape, {});
  MemoryUse memory = fleet.context(0).device->memory();
  if (kind == DeviceKind::cuda) add_cuda_workspace(memory);
  return memory;
}

Forecast forecast_stage(const StageSpec& spec, const TrainingShape& shape, const Machine& machine,
                        const ForecastOptions& options) {
  const int devices = spec.placement.devices();
  StageSpec frozen = spec;
  std::vector<int>& hosts = frozen.placement.hosts;
  if (hosts.empty()) hosts = spread_over_hosts(machine, devices);
  hosts.resize(static_cast<std::size_t>(devices));  // a stage may leave the last ones idle
  const auto costs = make_costs(machine, frozen.placement.hosts);
  frozen.method = spec.method->frozen_at(options.epoch, spec.epochs);
  Run run(frozen, shape, costs.get(), machine.gpu);
  run.start();
  run.iterate(spec.layers() + 3);  // past a stage's first ones
  std::vector<sim::DeviceClock> before;
  std::vector<std::uint64_t> staged;
  for (int rank = 0; rank < devices; ++rank) {
    before.push_back(run.simulator().clock(rank));
    staged.push_back(run.staged_bytes(rank));
  }
  const auto latest = [&] {
    double end = 0;
    for (int rank = 0; rank < devices; ++rank) end = std::max(end, run.simulator().clock(rank).compute_end);
    return end;
  };
  const double start = latest();
  const std::map<int, sim::NetworkUse> network = run.simulator().network();
  const std::uint64_t sent = run.fleet().traffic().bytes_sent;
  for (std::size_t rank = 0; rank < options.sinks.size(); ++rank) {
    run.simulator().trace(static_cast<int>(rank), options.sinks[rank]);
  }
  const int iterations = iterations_of(spec, options);
  run.iterate(iterations);

  const double n = iterations;
  Forecast forecast;
  forecast.devices = devices;
  forecast.placement = spec.placement;
  forecast.bytes = (run.fleet().traffic().bytes_sent - sent) / static_cast<std::uint64_t>(iterations);
  for (const auto& [host, use] : run.simulator().network()) {
    const sim::NetworkUse then = network.contains(host) ? network.at(host) : sim::NetworkUse();
    const std::uint64_t more = std::max(use.bytes_out - then.bytes_out, use.bytes_in - then.bytes_in);
    forecast.network_bytes = std::max(forecast.network_bytes, more / static_cast<std::uint64_t>(iterations));
  }
  forecast.layers = spec.layers();
  forecast.in_flight = spec.method->in_flight_text(spec);
  forecast.step = (latest() - start) / n;
  for (int rank = 0; rank < devices; ++rank) {
    const sim::DeviceClock &then = before[static_cast<std::size_t>(rank)], &now = run.simulator().clock(rank);
    DeviceForecast device;
    device.layers = spec.placement.layers_of(rank);
    for (std::size_t i = 0; i < device.phase.size(); ++i) {
      device.phase[i] = (now.times.phase[i] - then.times.phase[i]) / n;
    }
    device.copying = (now.copied_on_worker - then.copied_on_worker) / n;
    device.exposed = (now.exposed - then.exposed) / n;
    device.exchange = (now.times.exchange - then.times.exchange) / n;
    device.staging = (now.staging - then.staging) / n;
    device.staging_exposed = (now.staging_exposed - then.staging_exposed) / n;
    device.staged_bytes =
        (run.staged_bytes(rank) - staged[static_cast<std::size_t>(rank)]) / static_cast<std::uint64_t>(iterations);
    // Also at the end of the last iteration, when a faster device is done.
    device.waiting = std::max(0.0, forecast.step - device.busy());
    device.memory = run.fleet().context(rank).device->memory();
    if (machine.gpu) add_cuda_workspace(device.memory);
    forecast.per_device.push_back(device);
  }
  if (spec.placement.ranges.size() > 1) {
    forecast.boundary =
        sum_of(spec.method->messages(spec.method->nodes_per_epoch(spec), spec.widths[1], options.epoch));
  }
  return forecast;
}

std::vector<double> layer_seconds(const StageSpec& spec, const TrainingShape& shape, const Machine& machine) {
  LayerSums sums(spec.layers());
  ForecastOptions options;
  options.sinks = {&sums};
  forecast_stage(with_ranges(spec, {{1, spec.layers()}}), shape, machine, options);
  std::vector<double> seconds(sums.seconds.begin() + 1, sums.seconds.end());
  for (double& value : seconds) value /= iterations_of(spec, options);
  return seconds;
}

std::vector<LayerRange> best_partition(const StageSpec& spec, const TrainingShape& shape, const Machine& machine,
                                       int ranges) {
  std::vector<LayerRange> best = partition_layers(layer_seconds(spec, shape, machine), ranges);
  const auto busy = [&](const Forecast& of, std::size_t range) {  // the shards of a range are as busy as its first
    return of.per_device[static_cast<std::size_t>(spec.placement.rank(static_cast<int>(range), 0))].busy();
  };
  Forecast forecast = forecast_stage(with_ranges(spec, best), shape, machine);
  for (bool improved = true; improved;) {
    improved = false;
    std::size_t slowest = 0;
    for (std::size_t i = 1; i < best.size(); ++i) {
      if (busy(forecast, i) > busy(forecast, slowest)) slowest = i;
    }
    for (const int side : {-1, 1}) {  // its first layer to the left, its last to the right
      const std::size_t other = slowest + static_cast<std::size_t>(side);  // wraps below 0
      if (other >= best.size() || best[slowest].count() < 2) continue;
      std::vector<LayerRange> changed = best;
      (side < 0 ? changed[slowest].first : changed[other].first) -= side;
      (side < 0 ? changed[other].last : changed[slowest].last) -= side;
      const Forecast moved = forecast_stage(with_ranges(spec, changed), shape, machine);
      if (moved.step >= forecast.step * 0.999) continue;
      best = std::move(changed);
      forecast = moved;
      improved = true;
      break;
    }
  }
  return best;
}

namespace {

constexpr double kValue = sizeof(float);

double as_double(std::int64_t value) { return static_cast<double>(value); }

double rows_of(const ProblemCounts& counts) { return as_double(counts.parts[0] + counts.parts[1] + counts.parts[2]); }

// The graph beside its augmented features, and these once more while they are split into parts.
double loading_memory(const Config& config, const ProblemCounts& counts) {
  constexpr double kSparseValue = sizeof(float) + sizeof(std::int32_t);
  constexpr double kEdge = sizeof(std::int32_t) + kSparseValue;  // of the graph and of its operator
  // What was read of a file is freed before, but stays in the heap.
  const double features = counts.sparse_values ? 2 * kSparseValue * as_double(*counts.sparse_values)
                                               : kValue * as_double(counts.nodes) * as_double(counts.features);
  const double augmented = kValue * rows_of(counts) * as_double(counts.shape.inputs);
  AugmentOptions options;
  options.hops = config.dataset.hops;
  const auto workspace = static_cast<double>(augment_workspace_bytes(counts.nodes, counts.features, options));
  return features + kEdge * as_double(counts.edges) + augmented + std::max(augmented, workspace);
}

// Beside the devices: the inputs, weights under way, the evaluator.
double training_memory(const Config& config, const ProblemCounts& counts, const std::vector<InputKind>& kinds, int at) {
  // Of the weights: at the start of the stage, being uploaded, in flight to the evaluator, the best, fetched at the
  // end, being written. The evaluator's own are counted with it.
  constexpr double kWeightCopies = 8;
  const double v = as_double(counts.shape.train_nodes), inputs = as_double(counts.shape.inputs);
  const double width = as_double(config.model.width);
  double parts = 0;  // the inputs, once in each kind of coordinates
  for (const InputKind kind : std::set<InputKind>(kinds.begin(), kinds.end())) {
    parts += kValue * (kind == InputKind::plain ? rows_of(counts) * inputs : (rows_of(counts) + inputs) * v);
  }
  const auto weights_of = [&](int stage) {
    const bool all = kinds[static_cast<std::size_t>(stage) - 1] == InputKind::plain;
    const auto layers = config.stages[static_cast<std::size_t>(stage) - 1].layers;
    return kValue * width * ((all ? inputs : v) + as_double(layers - 2) * width);
  };
  const double weights = weights_of(at);
  double kept = 0;  // the best weights of the stages before
  for (int stage = 1; stage < at; ++stage) kept += weights_of(stage);
  const EvaluationShape shape =
      evaluation_shape(config, {counts.shape, kinds[static_cast<std::size_t>(at) - 1]}, counts.parts, false);
  const auto evaluation = static_cast<double>(evaluation_memory(shape, DeviceKind::cpu).peak);
  return parts + kWeightCopies * weights + kept + evaluation;
}

// Gathered, as tensors of the file, and as its bytes. Nearly all tensors of nodes in the host's memory are variables.
double checkpoint_memory(const Config& config, int stage, const std::vector<MemoryUse>& devices) {
  if (config.train.checkpoint_every == 0) return 0;
  const MemoryKind saved = make_method(config, stage)->saved_memory();
  double state = 0;
  for (const MemoryUse& device : devices) {
    const auto bytes = [&](MemoryKind kind) {
      return static_cast<double>(device.bytes[static_cast<std::size_t>(kind)]);
    };
    state += bytes(saved) + (saved == MemoryKind::variables ? bytes(MemoryKind::host) : 0);
  }
  return 3 * state;
}

}  // namespace

double process_memory(const Config& config, const ProblemCounts& counts, const std::vector<InputKind>& kinds, int stage,
                      const std::vector<MemoryUse>& devices) {
  constexpr double kProgram = 16.5e6;  // the program and its libraries
  constexpr double kKernels = 8.5e6;   // which they make or load once they train
  // Of CUDA 13.0, which a build with CUDA devices loads on CPU workers too: code and data that its libraries touch when
  // they are loaded, and more code when the process ends, when training's memory is freed.
  constexpr double kCudaLibraries = 197e6, kCudaAtExit = 69e6;
  double training =
      kKernels + training_memory(config, counts, kinds, stage) + checkpoint_memory(config, stage, devices);
  for (const MemoryUse& device : devices) training += static_cast<double>(device.peak);
  double peak = std::max(loading_memory(config, counts), training);
  if (accelerator() != nullptr) peak = kCudaLibraries + std::max(peak, kKernels + kCudaAtExit);
  return kProgram + peak;
}

}  // namespace gamlp
