#include "host/plan/device_room.hpp"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "host/core/error.hpp"
#include "host/core/memory.hpp"
#include "host/device/cuda_sizes.hpp"
#include "host/methods/registry.hpp"
#include "host/plan/forecast.hpp"
#include "host/train/evaluator.hpp"

namespace gamlp {
namespace {

constexpr double kMegabyte = 1e6;

// What the run needs on its GPUs.
struct Need {
  std::string lack;    // of the stage and the GPU that lack most lately; empty: it fits
  double left = 1e18;  // bytes of a GPU that are left to each device on it; below 0 where something is lacking
};

Need need_of(const Config& config, const Problem& problem, const ChosenDevices& devices,
             const std::vector<std::size_t>& free, bool resident) {
  Need need;
  for (int stage = 1; stage <= stage_count(config); ++stage) {
    const TrainingShape sizes = problem.shape(stage);
    const EvaluationShape shape = evaluation_shape(config, sizes, problem.part_nodes(), resident);
    const StageSpec spec = make_stage_spec(config, sizes, stage, devices.count);
    const std::vector<MemoryUse> memory = stage_memory(spec, sizes, devices.kind);
    // In one process several devices may share a GPU: to each GPU what it needs, and the devices that have it.
    struct Gpu {
      std::size_t bytes = 0, device = 0;
      int devices = 0;
    };
    std::map<int, Gpu> gpus;
    for (std::size_t rank = 0; rank < static_cast<std::size_t>(devices.count); ++rank) {
      Gpu& gpu = gpus[devices.own_rank ? static_cast<int>(rank) : devices.cuda[rank]];
      if (rank < memory.size()) gpu.bytes += memory[rank].peak;
      gpu.device = rank;
      ++gpu.devices;
    }
    gpus[devices.own_rank ? *devices.own_rank : devices.evaluating_gpu()].bytes +=
        evaluation_memory(shape, devices.kind).peak;
    for (const auto& [number, gpu] : gpus) {
      const std::size_t nccl = gpus.size() > 1 ? kNcclBytes : 0;
      const auto bytes = static_cast<double>(gpu.bytes + nccl), room = static_cast<double>(free.at(gpu.device));
      const double left = fillable_memory(room, resident) - bytes;
      need.left = std::min(need.left, left / gpu.devices);
      if (left >= 0) continue;
      need.lack = "the stage of " + std::to_string(spec.layers()) + " layers needs " + human_bytes(bytes) +
                  " on cuda:" + std::to_string(devices.cuda[gpu.device]) +
                  (devices.own_rank ? " of rank " + std::to_string(gpu.device) : "") + ", where " + human_bytes(room) +
                  " are free; gamlp plan says what it is for, and with how many devices or what width it fits";
    }
  }
  return need;
}

}  // namespace

DeviceRoom expect_device_room(const Config& config, const Problem& problem, const ChosenDevices& devices,
                              const std::vector<std::size_t>& free) {
  if (devices.kind != DeviceKind::cuda) return {false, config.node_memory};
  Need need;
  for (const bool resident : {true, false}) {
    need = need_of(config, problem, devices, free, resident);
    if (need.lack.empty()) return {resident, config.node_memory};
  }
  if (config.node_memory) throw DeviceError(need.lack);
  Config staged = config;
  staged.node_memory = 0;
  need = need_of(staged, problem, devices, free, false);
  if (!need.lack.empty()) throw DeviceError(need.lack);
  return {false, static_cast<std::int64_t>(need.left / kMegabyte)};
}

}  // namespace gamlp
