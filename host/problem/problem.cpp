#include "host/problem/problem.hpp"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "host/config/device_grid.hpp"
#include "host/core/clock.hpp"
#include "host/core/error.hpp"
#include "host/core/memory.hpp"
#include "host/cpu/blas.hpp"
#include "host/data/generate.hpp"
#include "host/data/load.hpp"
#include "host/data/split.hpp"
#include "host/device/accelerator.hpp"
#include "host/graph/augment.hpp"
#include "host/graph/normalize.hpp"
#include "host/methods/registry.hpp"
#include "host/problem/chosen_devices.hpp"

namespace gamlp {
namespace {

class Stopwatch {
 public:
  double lap() {
    const auto last = std::exchange(start_, Clock::now());
    return seconds_between(last, start_);
  }

 private:
  Clock::time_point start_ = Clock::now();
};

// The augmented inputs (nodes.size() × n0) of some nodes: on the first GPU where there is something to propagate and it
// has room for it, or on the CPU.
Matrix augmented_inputs(const Config& config, const Dataset& dataset, const std::vector<std::int32_t>& nodes,
                        int threads, const ChosenDevices& devices, std::vector<std::string>& notes) {
  const Csr propagation = propagation_matrix(dataset.adjacency, config.dataset.propagation);
  if (devices.kind == DeviceKind::cuda && config.dataset.hops > 1) {
    const int gpu = devices.augmenting_gpu();
    try {
      std::string note;
      Matrix x = accelerator()->augment(gpu, propagation, dataset, nodes, config.dataset.hops, note);
      if (!note.empty()) notes.push_back(note);
      return x;
    } catch (const DeviceError& error) {
      notes.push_back("augmented on the CPU, not on cuda:" + std::to_string(gpu) + ": " + error.what());
    }
  }
  AugmentOptions options;
  options.hops = config.dataset.hops;
  options.threads = threads;
  return augment(propagation, dataset, nodes, options);
}

// Returns how the features are standardised: as the config says, or by their scales where it leaves that open. `notes`
// receives what was chosen, or a warning where the config's choice leaves the scales far apart.
Standardize chosen_standardize(const DatasetConfig& config, const std::string& origin, const ScaleSummary& scales,
                               std::vector<std::string>& notes) {
  const std::string found = origin + ": the scales of the features reach from " + scale_text(scales);
  if (config.standardize) {
    if (*config.standardize != Standardize::columns && scales.spread() > wide_spread) {
      notes.push_back("warning: " + found + ", with which training sees the largest only; " +
                      "dataset.standardize \"columns\" brings them together");
    }
    return *config.standardize;
  }
  const Standardize chosen = choose_standardize(scales);
  if (chosen == Standardize::columns) {
    notes.push_back(found + ": every column is standardised (dataset.standardize \"columns\")");
  } else if (chosen == Standardize::scale) {
    notes.push_back(found + ": all are brought to scale 1 (dataset.standardize \"scale\")");
  }
  return chosen;
}

// The inputs of the three parts in each kind of coordinates that a stage has, in the order of their first stages.
void add_layer_inputs(std::array<Matrix, 3> x, Problem& problem) {
  std::vector<InputKind> distinct;
  for (const InputKind kind : problem.stage_kinds) {
    if (std::find(distinct.begin(), distinct.end(), kind) == distinct.end()) distinct.push_back(kind);
  }
  Stopwatch watch;
  for (const InputKind kind : distinct) {
    const auto take = [&, last = kind == distinct.back()](std::size_t part) {
      return last ? std::move(x[part]) : x[part];
    };
    LayerInputs& inputs = problem.layer_inputs.emplace_back();
    inputs.train = make_training_input(take(0), kind);
    problem.reduce_seconds += watch.lap();
    for (std::size_t part = 1; part < 3; ++part) inputs.others[part - 1] = inputs.train.coordinates(take(part));
    problem.reduce_others_seconds += watch.lap();
  }
}

}  // namespace

const LayerInputs& Problem::inputs_of(InputKind kind) const {
  const auto found = std::find_if(layer_inputs.begin(), layer_inputs.end(),
                                  [&](const LayerInputs& one) { return one.train.kind == kind; });
  expects(found != layer_inputs.end(), "some stage has these coordinates");
  return *found;
}

LayerWeights Problem::unweighted(LayerWeights first) const {
  if (!hop_weights.empty()) scale_hops(first.w, hop_weights);
  return first;
}

LayerWeights Problem::weighted(LayerWeights first) const {
  std::vector<float> inverse;
  for (const float weight : hop_weights) inverse.push_back(1.0f / weight);
  if (!inverse.empty()) scale_hops(first.w, inverse);
  return first;
}

std::optional<std::string> chance_warning(const Problem& problem, double train_accuracy) {
  const std::vector<std::int32_t>& labels = problem.train_labels();
  std::vector<std::int64_t> nodes(static_cast<std::size_t>(problem.classes), 0);
  for (const std::int32_t label : labels) ++nodes[static_cast<std::size_t>(label)];
  const double largest = nodes.empty() ? 0.0 : static_cast<double>(*std::max_element(nodes.begin(), nodes.end()));
  const double chance = largest / std::max<double>(1.0, static_cast<double>(labels.size()));
  if (!(train_accuracy <= chance + 0.1 * (1.0 - chance))) return std::nullopt;
  char figures[96];
  std::snprintf(figures, sizeof figures, "%.1f %% of the training nodes, always the largest class gives %.1f %%",
                100 * train_accuracy, 100 * chance);
  std::string text = std::string("training ended near chance: ") + figures;
  if (problem.scales.columns > 0) {
    text += "; the scales of the features reach from " + scale_text(problem.scales);
    const bool alike = problem.scales.spread() <= 10;  // their scales at least do not hinder training
    text += problem.standardized == Standardize::columns ? ", and were standardised by column"
            : alike                                      ? ": try more epochs, or dataset.standardize \"columns\""
                                                         : ": try dataset.standardize \"columns\"";
  }
  return text;
}

ProblemCounts count_problem(const DatasetConfig& config) {
  ProblemCounts counts;
  std::int64_t classes = 0;
  if (config.generate) {
    const GraphCounts graph = count_csbm(*config.generate);
    counts.nodes = graph.nodes, counts.edges = graph.edges, counts.features = graph.features;
    classes = static_cast<std::int64_t>(graph.class_nodes.size());
    counts.parts = config.split.kind == SplitKind::file ? std::array{graph.train, graph.validation, graph.test}
                                                        : split_sizes(graph.class_nodes, config.split);
  } else {
    const Dataset dataset = load_dataset(config);
    const Split split = make_split(dataset, config.split);
    check_split_labels(dataset, split);
    counts.nodes = dataset.nodes(), counts.edges = dataset.adjacency.entries(), counts.features = dataset.features();
    if (dataset.sparse_features) counts.sparse_values = dataset.features_sparse.entries();
    classes = dataset.classes;
    const std::array<const std::vector<std::int32_t>*, 3> ids = {&split.train, &split.validation, &split.test};
    for (std::size_t i = 0; i < 3; ++i) counts.parts[i] = static_cast<std::int64_t>(ids[i]->size());
  }
  if (classes < 2) throw DataError("the dataset has one class only, expected at least 2");
  counts.shape = {counts.parts[0], config.hops * counts.features, classes};
  return counts;
}

PreparedProblem prepare_problem(const Config& config, int threads) {
  return prepare_problem(config, threads, choose_devices(config));
}

PreparedProblem prepare_problem(const Config& given, int threads, const ChosenDevices& devices,
                                const Preparation& trained, const std::vector<InputKind>& begun, const Place& place) {
  PreparedProblem prepared{given, {}};
  Config& config = prepared.config;
  Problem& problem = prepared.problem;
  Stopwatch watch;
  Dataset dataset = with_room_for("the dataset", [&] { return load_dataset(given.dataset, trained.class_ids); });
  const Split split = make_split(dataset, given.dataset.split);
  check_split_labels(dataset, split);
  problem.notes = dataset.notes;
  problem.preparation.class_ids = dataset.class_ids;
  problem.scales = summarize_scales(dataset);
  problem.standardized = chosen_standardize(given.dataset, dataset.origin, problem.scales, problem.notes);
  config.dataset.standardize = problem.standardized;
  if (trained.factor.empty()) {
    measure_features(dataset, split.train, problem.standardized, problem.preparation);
  } else {
    problem.preparation.shift = trained.shift, problem.preparation.factor = trained.factor;
  }
  standardize(dataset, problem.preparation);
  problem.dataset_name = dataset.name;
  problem.nodes = dataset.nodes();
  problem.edges = dataset.adjacency.entries();
  problem.features = dataset.features();
  problem.classes = dataset.classes;
  problem.inputs = given.dataset.hops * dataset.features();
  problem.load_seconds = watch.lap();

  if (problem.classes < 2) throw DataError(dataset.origin + ": labels: one class only, expected at least 2");
  ProblemShape shape{static_cast<std::int64_t>(split.train.size()), problem.inputs, dataset.classes};
  if (place) {
    const std::string note = place(config, shape, begun);
    if (!note.empty()) problem.notes.push_back(note);
  }
  shape.shards = shard_count(config, devices.count);
  shape.replicas = replica_count(config, devices.count);
  problem.stage_kinds = resolve_problem(config, shape, &problem.notes, begun);

  // One augmentation for all parts, then a copy per part.
  const std::array<const std::vector<std::int32_t>*, 3> ids = {&split.train, &split.validation, &split.test};
  std::vector<std::int32_t> all;
  for (const auto* part : ids) all.insert(all.end(), part->begin(), part->end());
  Matrix x = with_room_for(
      "the augmented inputs, " + std::to_string(all.size()) + " nodes × " + std::to_string(problem.inputs) + " values",
      [&] { return augmented_inputs(config, dataset, all, threads, devices, problem.notes); });
  if (given.dataset.hop_growth != 1.0) {
    problem.hop_weights = hop_weights(given.dataset.hops, given.dataset.hop_growth);
    scale_hops(x, problem.hop_weights);
  }
  problem.augment_seconds = watch.lap();

  set_blas_threads(threads);
  std::int64_t row = 0;
  std::array<Matrix, 3> inputs;
  for (std::size_t i = 0; i < 3; ++i) {
    EvaluationPart& part = problem.parts[i];
    part.nodes = *ids[i];
    part.labels = labels_of(dataset, part.nodes);
    const std::int64_t rows = static_cast<std::int64_t>(part.nodes.size());
    inputs[i] = Matrix(rows, x.cols());
    std::copy_n(x.row(row), rows * x.cols(), inputs[i].data());
    row += rows;
  }
  x = Matrix();
  add_layer_inputs(std::move(inputs), problem);
  dataset = Dataset();
  return_freed_memory();
  return prepared;
}

}  // namespace gamlp
