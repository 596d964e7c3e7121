#include "host/plan/device_room.hpp"

#include <algorithm>
#include <cstdlib>
#include <fstream>
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

// What processes can have now, as the system says. Very much where it does not.
double available_host_memory() {
  std::ifstream info("/proc/meminfo");
  for (std::string line; std::getline(info, line);) {
    if (line.rfind("MemAvailable:", 0) == 0) return 1024 * std::strtod(line.c_str() + line.find(':') + 1, nullptr);
  }
  return 1e18;
}

// What the run needs on its GPUs.
struct Need {
  std::string lack;    // of the last stage and GPU found that lack memory; empty: it fits
  double left = 1e18;  // bytes of a GPU that each device on it may have beside that
};

Need need_of(const Config& config, const Problem& problem, const ChosenDevices& devices,
             const std::vector<std::size_t>& free, bool resident) {
  Need need;
  for (int stage = 1; stage <= stage_count(config); ++stage) {
    const TrainingShape sizes = problem.shape(stage);
    const EvaluationShape shape = evaluation_shape(config, sizes, problem.part_nodes(), resident);
    const StageSpec spec = make_stage_spec(config, sizes, stage, devices.count, devices.hosts);
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
      need.left = std::min(need.left, std::max(fillable_memory(room, true) - bytes, 0.0) / gpu.devices);
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
  const Need whole = need;
  Config staged = config;
  staged.node_memory = 0;
  need = need_of(staged, problem, devices, free, false);
  if (!need.lack.empty()) throw DeviceError(need.lack);
  staged.node_memory = static_cast<std::int64_t>(need.left) / kNodeMemoryUnit;
  double host = 0;
  for (int stage = 1; stage <= stage_count(config); ++stage) {
    const TrainingShape shape = problem.shape(stage);
    double bytes = 0;
    for (const MemoryUse& use :
         stage_memory(make_stage_spec(staged, shape, stage, devices.count), shape, devices.kind)) {
      bytes += static_cast<double>(use.bytes[static_cast<std::size_t>(MemoryKind::host)]);
    }
    host = std::max(host, bytes);
  }
  if (const double there = available_host_memory(); devices.one_host() && host > there) {
    throw DeviceError(whole.lack + "; and what finds no room there, " + human_bytes(host) +
                      ", has none in the host's memory, where " + human_bytes(there) + " are available");
  }
  return {false, staged.node_memory};
}

}  // namespace gamlp
