#include "host/plan/config_cost.hpp"

#include <algorithm>
#include <utility>

#include "host/methods/registry.hpp"
#include "host/plan/forecast.hpp"
#include "host/problem/chosen_devices.hpp"

namespace gamlp {

ConfigCost config_cost(Config& config, const ProblemCounts& counts) {
  ConfigCost cost;
  cost.train = counts.shape.train_nodes, cost.inputs = counts.shape.inputs, cost.classes = counts.shape.classes;
  const std::vector<InputKind> kinds = resolve_problem(config, counts.shape, &cost.notes);
  const int devices = device_count(config);
  for (int number = 1; number <= stage_count(config); ++number) {
    const StageConfig& stage = config.stages[static_cast<std::size_t>(number) - 1];
    const TrainingShape shape{counts.shape, kinds[static_cast<std::size_t>(number) - 1]};
    const auto method = make_method(config, number);
    StageCost s;
    s.method = method_of(config, number).name;
    s.input = shape.kind;
    s.layers = stage.layers;
    s.epochs = stage.epochs;
    const BoundaryBytes bytes = sum_of(method->messages(cost.train, config.model.width, stage.epochs - 1));
    s.boundary_bytes = bytes.up + bytes.down;
    const BoundaryBytes keyframe = sum_of(method->messages_at_start(cost.train, config.model.width));
    s.keyframe_bytes = keyframe.up + keyframe.down;
    const StageSpec spec = make_stage_spec(config, shape, number, devices);
    const auto& widths = spec.widths;
    for (std::size_t l = 1; l < widths.size(); ++l) {
      s.flops += method->product_flops(widths[l - 1], widths[l], cost.train, l == 1, s.input);
    }
    s.placement = spec.placement;
    const DeviceKind kind = named_devices(config.devices).kind;
    const double memory = process_memory(config, counts, kinds, number, stage_memory(spec, shape, kind));
    cost.memory_bytes = std::max(cost.memory_bytes, memory);
    cost.stages.push_back(std::move(s));
  }
  return cost;
}

}  // namespace gamlp
