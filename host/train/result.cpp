#include "host/train/result.hpp"

#include <cmath>

#include "host/config/enums.hpp"
#include "host/config/json_number.hpp"
#include "host/core/threads.hpp"
#include "host/core/version.hpp"
#include "host/methods/registry.hpp"
#include "host/train/evaluator.hpp"

namespace gamlp {
namespace {

double ratio(std::int64_t a, std::int64_t b) { return b > 0 ? static_cast<double>(a) / static_cast<double>(b) : NAN; }

}  // namespace

std::uint64_t bytes_per_epoch_all_boundaries(const Config& config, std::int64_t nodes) {
  const StageConfig& last = config.stages.back();
  const BoundaryBytes bytes = sum_of(make_method(config)->messages(nodes, config.model.width, last.epochs - 1));
  return static_cast<std::uint64_t>((bytes.up + bytes.down) * (last.layers - 1));
}

nlohmann::ordered_json make_result(const Config& config, const Problem& problem, const std::vector<BestWeights>& stages,
                                   std::size_t reported, const RunFigures& f) {
  const BestWeights& best = stages[reported];
  const double epochs = static_cast<double>(std::max<std::int64_t>(f.epochs, 1));
  nlohmann::ordered_json json;
  json["state"] = "finished";  // as state.json says; of a run that is not there is no result
  json["test_accuracy"] = number_or_null(best.accuracies.test);
  json["validation_accuracy"] = number_or_null(best.accuracies.validation);
  json["train_accuracy"] = number_or_null(best.accuracies.train);
  json["best_epoch"] = best.epoch;
  json["stage"] = reported + 1;
  json["layers"] = best.network.size();
  json["best_stage_epoch"] = best.stage_epoch;
  json["epochs"] = f.epochs;
  json["seconds"] = f.seconds;
  json["seconds_per_epoch"] = f.seconds / epochs;
  json["bytes_sent"] = f.bytes_sent;
  json["bytes_per_epoch"] = static_cast<double>(f.bytes_sent) / epochs;
  json["bytes_per_epoch_one_device_per_layer"] =
      bytes_per_epoch_all_boundaries(config, static_cast<std::int64_t>(problem.train_labels().size()));
  json["devices"] = f.devices;
  if (!f.continued.empty()) json["continued"] = nlohmann::ordered_json::parse(f.continued);
  if (config.train.from) json["from"] = *config.train.from;
  json["seed"] = config.train.seed;
  json["version"] = kVersion;
  json["dataset"] = {{"name", problem.dataset_name},
                     {"nodes", problem.nodes},
                     {"adjacency_entries", problem.edges},
                     {"features", problem.features},
                     {"classes", problem.classes},
                     {"train", problem.parts[0].nodes.size()},
                     {"validation", problem.parts[1].nodes.size()},
                     {"test", problem.parts[2].nodes.size()}};
  // Of the last stage.
  json["method"] = method_of(config, stage_count(config)).name;
  json.update(make_method(config)->report());
  json["input"] = input_kind_name(problem.stage_kinds.back());
  for (const BestWeights& stage : stages) {
    json["stages"].push_back({{"method", method_of(config, static_cast<int>(json["stages"].size()) + 1).name},
                              {"layers", stage.network.size()},
                              {"best_epoch", stage.epoch},
                              {"best_stage_epoch", stage.stage_epoch},
                              {"test_accuracy", number_or_null(stage.accuracies.test)},
                              {"validation_accuracy", number_or_null(stage.accuracies.validation)},
                              {"train_accuracy", number_or_null(stage.accuracies.train)}});
  }
  for (int rank = 0; rank < f.placement.devices(); ++rank) {
    const LayerRange& range = f.placement.layers_of(rank);
    json["layers_per_device"].push_back({range.first, range.last});
  }
  json["shards"] = f.placement.shards;
  if (f.placement.replicas > 1) {
    json["replicas"] = f.placement.replicas;
    const Accuracies& leader = f.replicas.best;
    json["leader"] = {{"test_accuracy", number_or_null(leader.test)},
                      {"validation_accuracy", number_or_null(leader.validation)},
                      {"train_accuracy", number_or_null(leader.train)},
                      {"best_epoch", f.replicas.best_epoch}};
    if (!f.replicas.leads.empty()) json["leads"] = f.replicas.leads;
  }

  DeviceTimes times;
  for (const DeviceTimes& one : f.times) times += one;
  const auto& phase = times.phase;
  const auto of = [&](Phase p) { return phase[static_cast<std::size_t>(p)]; };
  json["timing"] = {{"load", problem.load_seconds},
                    {"augment", problem.augment_seconds},
                    {"reduce_input", problem.reduce_seconds},
                    {"reduce_other_inputs", problem.reduce_others_seconds},
                    {"gemm", of(Phase::gemm)},
                    {"factorisation", of(Phase::factor)},
                    {"elementwise", of(Phase::elementwise)},
                    {"codec", of(Phase::codec)},
                    {"copy", of(Phase::copy)},
                    {"exchange", times.exchange},
                    {"wait", times.wait},
                    {"evaluation", f.evaluation_seconds}};
  for (const DeviceTimes& one : f.times) {
    json["exchange_per_device"].push_back({{"exposed", one.exposed()}, {"hidden", one.hidden()}});
  }
  for (const MemoryUse& use : f.memory) {
    nlohmann::ordered_json device = {{"peak", use.peak}};
    for (std::size_t i = 0; i < use.bytes.size(); ++i) device[kMemoryKindNames[i]] = use.bytes[i];
    json["memory_per_device"].push_back(device);
  }

  json["evaluation_memory"] = f.evaluation_memory;

  const EvaluationPart& test = problem.parts[2];
  const LayerInputs& inputs = problem.inputs_of(problem.kind(static_cast<int>(reported) + 1));
  if (!test.nodes.empty()) {
    const Matrix scores = forward(best.network, activation_rule(config.model), inputs.part(2), hardware_threads());
    for (const ClassFigures& c : class_figures(scores, test.labels, problem.classes)) {
      json["test_per_class"].push_back({{"nodes", c.nodes},
                                        {"predicted", c.predicted},
                                        {"recall", number_or_null(ratio(c.correct, c.nodes))},
                                        {"precision", number_or_null(ratio(c.correct, c.predicted))}});
    }
  }
  return json;
}

}  // namespace gamlp
