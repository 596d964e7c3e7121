#include "host/plan/device_room.hpp"

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

bool expect_device_room(const Config& config, const Problem& problem, const ChosenDevices& devices,
                        const std::vector<std::size_t>& free) {
  if (devices.kind != DeviceKind::cuda) return false;
  std::string lack;
  for (const bool resident : {true, false}) {
    lack.clear();
    for (int stage = 1; stage <= stage_count(config); ++stage) {
      const TrainingShape sizes = problem.shape(stage);
      const EvaluationShape shape = evaluation_shape(config, sizes, problem.part_nodes(), resident);
      const StageSpec spec = make_stage_spec(config, sizes, stage, devices.count);
      const std::vector<MemoryUse> memory = stage_memory(spec, sizes, devices.kind);
      // In one process several devices may share a GPU: to each GPU what it needs, and a device that has it.
      std::map<int, std::pair<std::size_t, std::size_t>> needed;
      for (std::size_t rank = 0; rank < static_cast<std::size_t>(devices.count); ++rank) {
        auto& [bytes, of] = needed[devices.own_rank ? static_cast<int>(rank) : devices.cuda[rank]];
        if (rank < memory.size()) bytes += memory[rank].peak;
        of = rank;
      }
      needed[devices.own_rank ? *devices.own_rank : devices.evaluating_gpu()].first +=
          evaluation_memory(shape, devices.kind).peak;
      for (const auto& [gpu, need] : needed) {
        const std::size_t nccl = needed.size() > 1 ? kNcclBytes : 0;
        const auto bytes = static_cast<double>(need.first + nccl), room = static_cast<double>(free.at(need.second));
        if (bytes <= fillable_memory(room, resident)) continue;
        lack = "the stage of " + std::to_string(spec.layers()) + " layers needs " + human_bytes(bytes) +
               " on cuda:" + std::to_string(devices.cuda[need.second]) +
               (devices.own_rank ? " of rank " + std::to_string(need.second) : "") + ", where " + human_bytes(room) +
               " are free; gamlp plan says what it is for, and with how many devices or what width it fits";
      }
    }
    if (lack.empty()) return resident;
  }
  throw DeviceError(lack);
}

}  // namespace gamlp
