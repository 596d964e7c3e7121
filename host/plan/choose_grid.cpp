#include "host/plan/choose_grid.hpp"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>

#include "host/config/device_grid.hpp"
#include "host/config/enums.hpp"
#include "host/config/parse.hpp"
#include "host/core/error.hpp"
#include "host/core/number_text.hpp"
#include "host/device/accelerator.hpp"
#include "host/methods/registry.hpp"
#include "host/plan/forecast.hpp"

namespace gamlp {
namespace {

// A grid, and what a run on it would be.
struct Grid {
  int ranges = 1, shards = 1;
  Config config;  // resolved
  std::vector<InputKind> kinds;
  double step = 0;  // seconds of the last stage's iteration
  std::uint64_t network_bytes = 0;
  bool fits = true;

  int devices() const { return ranges * shards; }
  std::string text() const {
    return grid_text(ranges, shards, ranges > 1 && shards > 1 ? config.partition.order : std::nullopt);
  }
};

Machine machine_like(const ChosenDevices& devices) {
  std::string name = "cpu";
  if (devices.kind == DeviceKind::cuda) {
    name = "dgx_h100";
    const std::string found = accelerator() != nullptr ? accelerator()->description() : "";
    for (const auto& [model, machine] :
         {std::pair{"H200", "hgx_h200"}, {"A100", "dgx_a100"}, {"V100", "dgx_2"}, {"K80", "aws_p2_16xlarge"}}) {
      if (found.find(model) != std::string::npos) name = machine;
    }
  }
  return parse_machine(std::string(built_in_machines().at(name)), "machine " + name + " (built in)");
}

std::optional<Grid> grid_of(const Config& given, int devices, const PartitionConfig& partition, ProblemShape shape,
                            const std::vector<InputKind>& begun) {
  const int shards = static_cast<int>(*partition.shards);
  Grid grid{devices / shards, shards, given, {}};
  grid.config.partition = partition;
  if (!grid_problem(grid.config, devices).empty()) return std::nullopt;
  shape.shards = shards;
  try {
    grid.kinds = resolve_problem(grid.config, shape, nullptr, begun);
    for (int stage = 1; stage <= stage_count(grid.config); ++stage) {
      make_stage_spec(grid.config, {shape, grid.kinds[static_cast<std::size_t>(stage) - 1]}, stage, devices);
    }
  } catch (const ConfigError&) {  // more shards than the nodes have blocks, or layer 1 needs all nodes
    return std::nullopt;
  }
  return grid;
}

}  // namespace

std::string grid_text(int ranges, int shards, std::optional<RankOrder> order) {
  return std::to_string(ranges) + " × " + std::to_string(shards) + (order ? " by " + std::string(name_of(*order)) : "");
}

std::vector<PartitionConfig> partitions_of(const Config& config, int devices, int hosts) {
  std::vector<PartitionConfig> partitions;
  for (int shards = 1; shards <= devices; ++shards) {
    Config grid = config;
    grid.partition.shards = shards;
    if (config.partition.shards.value_or(shards) != shards || !grid_problem(grid, devices).empty()) continue;
    if (hosts == 1 || shards == 1 || shards == devices || grid.partition.order) {
      partitions.push_back(grid.partition);
      continue;
    }
    for (const RankOrder order : {RankOrder::shards, RankOrder::layers}) {
      grid.partition.order = order;
      partitions.push_back(grid.partition);
    }
  }
  return partitions;
}

bool same_training(const Config& a, const std::vector<InputKind>& kinds_a, const Config& b,
                   const std::vector<InputKind>& kinds_b) {
  const auto training_of = [](const Config& config) {
    nlohmann::ordered_json json = to_json(config);
    for (const char* place : {"partition", "node_memory"}) json.erase(place);
    return json;
  };
  return kinds_a == kinds_b && training_of(a) == training_of(b);
}

namespace {

// The grids of so many devices that train as `reference`, from the fewest shards on.
std::vector<Grid> grids_of(const Config& config, int devices, int hosts, const ProblemShape& shape,
                           const std::vector<InputKind>& begun, const Grid& reference) {
  std::vector<Grid> grids;
  for (const PartitionConfig& partition : partitions_of(config, devices, hosts)) {
    std::optional<Grid> grid = grid_of(config, devices, partition, shape, begun);
    if (grid && same_training(reference.config, reference.kinds, grid->config, grid->kinds)) {
      grids.push_back(std::move(*grid));
    }
  }
  return grids;
}

bool fits(const Grid& grid, const ProblemShape& shape, const ChosenDevices& devices) {
  if (devices.kind != DeviceKind::cuda || accelerator() == nullptr) return true;
  constexpr double kForOthers = 0.1;  // evaluation, NCCL
  for (int stage = 1; stage <= stage_count(grid.config); ++stage) {
    const TrainingShape training{shape, grid.kinds[static_cast<std::size_t>(stage) - 1]};
    const StageSpec spec = make_stage_spec(grid.config, training, stage, grid.devices(), devices.hosts);
    const std::vector<MemoryUse> uses = stage_memory(spec, training, DeviceKind::cuda);
    std::map<int, double> needed;  // by GPU; another process's are taken to be like this one's
    for (std::size_t rank = 0; rank < uses.size(); ++rank) {
      const bool shared = !devices.own_rank && rank < devices.cuda.size();  // devices of this process may share a GPU
      needed[shared ? devices.cuda[rank] : static_cast<int>(rank)] += static_cast<double>(uses[rank].peak);
    }
    for (const auto& [gpu, bytes] : needed) {
      const int asked = devices.own_rank ? devices.cuda[static_cast<std::size_t>(*devices.own_rank)] : gpu;
      if (bytes > (1 - kForOthers) * static_cast<double>(accelerator()->free_memory(asked))) return false;
    }
  }
  return true;
}

// As many devices as have a grid, of those that there are.
void take_devices(ChosenDevices& devices, int count) {
  devices.count = count;
  if (devices.kind != DeviceKind::cuda) return;
  devices.cuda.resize(static_cast<std::size_t>(count));
  std::iota(devices.cuda.begin(), devices.cuda.end(), 0);
}

// How many shards the training nodes can be, where micro-batches that nobody chose are as many.
std::int64_t most_workers(const Config& config, std::int64_t nodes) {
  std::int64_t most = kMaxSumParts;
  for (int stage = 1; stage <= stage_count(config); ++stage) {
    MethodConfig method = method_of(config, stage);
    const ProblemShape shape{nodes, 1, 2, kMaxSumParts};
    try {
      make_method(method, config.exchange)->resolve(method, config.model, shape, nullptr);
      most = std::min<std::int64_t>(most, make_method(method, config.exchange)->blocks(nodes));
    } catch (const ConfigError&) {  // told where it is resolved for the run
    }
  }
  return most;
}

}  // namespace

std::string choose_grid(Config& config, ChosenDevices& devices, const ProblemShape& shape,
                        const std::vector<InputKind>& begun) {
  const int hosts = devices.host_count();
  if (config.partition.replicates) {
    if (!config.partition.replicas) config.partition.replicas = replica_count(config, devices.count);
    if (!config.partition.shards) config.partition.shards = shard_count(config, devices.count);
    return *config.partition.replicas == 1 ? "1 replica of the network: nobody to exchange with"
                                           : std::to_string(*config.partition.replicas) + " replicas of the network";
  }
  if (config.partition.workers && !config.partition.shards) {
    // Devices that nobody counted: no more than there can be workers.
    const auto most = static_cast<int>(most_workers(config, shape.train_nodes));
    if (devices.available > 0 && !config.partition.layers && devices.count > most) take_devices(devices, most);
    // From here on the run has so many workers, wherever it goes on.
    config.partition.shards = shard_count(config, devices.count);
    return std::to_string(*config.partition.shards) + (*config.partition.shards == 1
                                                           ? " worker, which has all training nodes"
                                                           : " workers, each with a shard of the training nodes");
  }
  const bool named = config.partition.shards || config.partition.layers;
  if (named && (hosts == 1 || config.partition.order)) return "";
  PartitionConfig fewest = config.partition;
  fewest.shards = shard_count(config, devices.count);
  const std::optional<Grid> reference = grid_of(config, devices.count, fewest, shape, begun);
  if (!reference || std::max(devices.count, devices.available) < 2) return "";  // the caller tells why
  std::vector<Grid> grids = grids_of(config, devices.count, hosts, shape, begun, *reference);
  // More devices than layers: as many as have a grid.
  std::vector<Grid> larger;
  for (int count = devices.available; count > devices.count && larger.empty(); --count) {
    larger = grids_of(config, count, hosts, shape, begun, *reference);
  }
  for (Grid& grid : larger) grids.push_back(std::move(grid));
  // Without a network that is known: p and q between layers are mostly smaller than what shards add up.
  const bool by_bytes = hosts > 1 && !config.distributed.network;
  if (by_bytes) std::erase_if(grids, [&](const Grid& grid) { return grid.shards != reference->shards; });
  if (grids.size() > 1) {
    try {
      Machine machine = machine_like(devices);
      machine.network = network_link(config.distributed.network.value_or(1000));
      const int last = stage_count(config);
      for (Grid& grid : grids) {
        const TrainingShape training{shape, grid.kinds.back()};
        const StageSpec spec = make_stage_spec(grid.config, training, last, grid.devices(), devices.hosts);
        const Forecast forecast = forecast_stage(spec, training, machine);
        grid.fits = fits(grid, shape, devices);
        grid.step = forecast.step;
        grid.network_bytes = forecast.network_bytes;
      }
    } catch (const DataError&) {  // the machine's figures do not tell
      grids.resize(1);
    }
  }
  const auto better = [&](const Grid& a, const Grid& b) {
    if (a.fits != b.fits) return a.fits;
    // Of two that take as long, the one with fewer shards: its messages are neighbours'.
    return by_bytes ? a.network_bytes < b.network_bytes : a.step < kWorthIt * b.step;
  };
  const Grid* best = &grids.front();
  for (const Grid& grid : grids) {
    if (better(grid, *best)) best = &grid;
  }
  config.partition = best->config.partition;
  if (best->devices() > devices.count) take_devices(devices, best->devices());
  if (grids.size() == 1) return "";
  const auto cost = [&](const Grid& grid) {
    return by_bytes ? short_number(1e-6 * static_cast<double>(grid.network_bytes)) + " MB"
                    : short_number(1e3 * grid.step) + " ms";
  };
  std::string others;
  for (const Grid& grid : grids) {
    if (&grid == best) continue;
    others += (others.empty() ? "" : ", ") + grid.text() + " " + cost(grid) + (grid.fits ? "" : " (does not fit)");
  }
  return "layers × shards of the training nodes: " + best->text() + ", forecast " + cost(*best) + " per iteration" +
         (by_bytes ? " between hosts" : "") + " (" + others + ")";
}

}  // namespace gamlp
