#include "host/plan/choose_grid.hpp"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>

#include "host/config/device_grid.hpp"
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
  bool fits = true;

  int devices() const { return ranges * shards; }
  std::string text() const { return std::to_string(ranges) + " × " + std::to_string(shards); }
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

std::optional<Grid> grid_of(const Config& given, int devices, int shards, ProblemShape shape,
                            const std::vector<InputKind>& begun) {
  Grid grid{devices / shards, shards, given, {}, 0, true};
  grid.config.partition.shards = shards;
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
std::vector<Grid> grids_of(const Config& config, int devices, const ProblemShape& shape,
                           const std::vector<InputKind>& begun, const Grid& reference) {
  std::vector<Grid> grids;
  for (int shards = 1; shards <= devices; ++shards) {
    std::optional<Grid> grid = grid_of(config, devices, shards, shape, begun);
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
    const StageSpec spec = make_stage_spec(grid.config, training, stage, grid.ranges * grid.shards);
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

}  // namespace

std::string choose_grid(Config& config, ChosenDevices& devices, const ProblemShape& shape,
                        const std::vector<InputKind>& begun) {
  if (config.partition.shards || config.partition.layers) return "";
  const int least = static_cast<int>(shard_count(config, devices.count));
  const std::optional<Grid> reference = grid_of(config, devices.count, least, shape, begun);
  if (!reference || std::max(devices.count, devices.available) < 2) return "";  // the caller tells why
  std::vector<Grid> grids = grids_of(config, devices.count, shape, begun, *reference);
  // More devices than layers: as many as have a grid.
  std::vector<Grid> larger;
  for (int count = devices.available; count > devices.count && larger.empty(); --count) {
    larger = grids_of(config, count, shape, begun, *reference);
  }
  for (Grid& grid : larger) grids.push_back(std::move(grid));
  // Nobody knows the network between hosts: p and q between layers are far smaller than what shards add up.
  if (!devices.one_host) grids.resize(1);
  if (grids.size() > 1) {
    try {
      const Machine machine = machine_like(devices);
      const int last = stage_count(config);
      for (Grid& grid : grids) {
        const TrainingShape training{shape, grid.kinds.back()};
        const StageSpec spec = make_stage_spec(grid.config, training, last, grid.devices());
        grid.fits = fits(grid, shape, devices);
        grid.step = forecast_stage(spec, training, machine).step;
      }
    } catch (const DataError&) {  // the machine's figures do not tell
      grids.resize(1);
    }
  }
  // Of two that take as long, the one with fewer shards: its messages are neighbours'.
  const Grid* best = &grids.front();
  for (const Grid& grid : grids) {
    if (grid.fits != best->fits ? grid.fits : grid.step < kWorthIt * best->step) best = &grid;
  }
  config.partition.shards = best->shards;
  if (best->devices() > devices.count) take_devices(devices, best->devices());
  if (grids.size() == 1) return "";
  std::string others;
  for (const Grid& grid : grids) {
    if (&grid == best) continue;
    others += (others.empty() ? "" : ", ") + grid.text() + " " + short_number(1e3 * grid.step) + " ms" +
              (grid.fits ? "" : " (does not fit)");
  }
  return "layers × shards of the training nodes: " + best->text() + ", forecast " + short_number(1e3 * best->step) +
         " ms per iteration (" + others + ")";
}

}  // namespace gamlp
