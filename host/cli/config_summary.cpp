#include "host/cli/config_summary.hpp"

#include <algorithm>

#include "host/cli/progress.hpp"
#include "host/cli/run_summary.hpp"
#include "host/cli/table.hpp"
#include "host/config/locate.hpp"
#include "host/core/error.hpp"
#include "host/math/quantize.hpp"
#include "host/methods/load_config.hpp"
#include "host/methods/registry.hpp"
#include "host/plan/forecast.hpp"
#include "host/problem/chosen_devices.hpp"

namespace gamlp::cli {
namespace {

double as_double(std::int64_t value) { return static_cast<double>(value); }

std::string placement_text(const Placement& placement) {
  std::string out;
  for (const LayerRange& range : placement.ranges) {
    out += (out.empty() ? "" : " ") + std::to_string(range.first) + "-" + std::to_string(range.last);
  }
  if (placement.shards > 1) out += " × " + std::to_string(placement.shards) + " shards";
  return placement.replicas == 1 ? out : out + " × " + std::to_string(placement.replicas) + " replicas";
}

std::string cost_text(const ConfigCost& cost) {
  std::string out = "\n";
  out += summary_line("training nodes", grouped(cost.train) + ", " + grouped(cost.inputs) + " inputs, " +
                                            grouped(cost.classes) + " classes");
  std::string kinds;
  for (std::size_t i = 0; i < cost.stages.size(); ++i) {
    if (i > 0 && cost.stages[i].input == cost.stages[i - 1].input) continue;
    kinds += (kinds.empty() ? "" : ", then ") + std::string(input_kind_name(cost.stages[i].input));
  }
  out += summary_line("layer 1", kinds + " inputs");
  for (const std::string& note : cost.notes) out += summary_line("", note);
  out += summary_line("memory", "about " + human_bytes(cost.memory_bytes) + " of the process at its peak");
  Table table({"method", "layers", "epochs", "GFLOP/iteration", "bytes/boundary", "bytes/epoch*", "layers per device"});
  for (const StageCost& s : cost.stages) {
    table.row({s.method, std::to_string(s.layers), grouped(s.epochs), short_number(s.flops / 1e9),
               human_bytes(as_double(s.boundary_bytes)), human_bytes(as_double(s.boundary_bytes * (s.layers - 1))),
               placement_text(s.placement)});
  }
  const bool keyframe = !cost.stages.empty() && cost.stages.front().keyframe_bytes > 0;
  return out + "\n" + table.text() + "  * with one device per layer" +
         (keyframe ? "; each boundary also carries a float32 keyframe when a stage starts\n" : "\n");
}

}  // namespace

ConfigSummary summarize_config(Config config, const std::string& path) {
  ConfigSummary summary;
  summary.path = path;
  try {
    DatasetConfig source = config.dataset;
    locate_dataset(source, std::filesystem::path(path).parent_path());
    summary.cost = config_cost(config, count_problem(source));
  } catch (const DataError& error) {
    summary.missing = error.what();
  }
  summary.warnings = config_warnings(config);
  summary.config = std::move(config);
  return summary;
}

nlohmann::ordered_json to_json(const ConfigSummary& s) {
  nlohmann::ordered_json json = {{"kind", "config"}, {"path", s.path}, {"warnings", s.warnings}};
  json["config"] = gamlp::to_json(s.config);
  if (!s.cost) {
    json["cost"] = nullptr;
    json["missing"] = s.missing;
    return json;
  }
  const ConfigCost& cost = *s.cost;
  nlohmann::ordered_json out = {{"train_nodes", cost.train}, {"inputs", cost.inputs},
                                {"classes", cost.classes},   {"input", input_kind_name(cost.stages.back().input)},
                                {"notes", cost.notes},       {"memory_bytes", cost.memory_bytes}};
  for (const StageCost& stage : cost.stages) {
    nlohmann::ordered_json one = {{"method", stage.method},
                                  {"input", input_kind_name(stage.input)},
                                  {"layers", stage.layers},
                                  {"epochs", stage.epochs},
                                  {"flops_per_iteration", stage.flops},
                                  {"bytes_per_boundary", stage.boundary_bytes},
                                  {"keyframe_bytes_per_boundary", stage.keyframe_bytes},
                                  {"bytes_per_epoch", stage.boundary_bytes * (stage.layers - 1)}};
    for (int rank = 0; rank < stage.placement.devices(); ++rank) {
      const LayerRange& range = stage.placement.layers_of(rank);
      one["layers_per_device"].push_back({range.first, range.last});
    }
    out["stages"].push_back(std::move(one));
  }
  json["cost"] = std::move(out);
  return json;
}

std::string to_text(const ConfigSummary& s) {
  std::string out = s.path + "\n" + config_lines(s.config);
  out += s.cost ? cost_text(*s.cost) : "\n  no estimate of cost: " + s.missing + "\n";
  for (const std::string& warning : s.warnings) out += "  warning: " + warning + "\n";
  return out;
}

}  // namespace gamlp::cli
