// Makes of a config what training needs: the graph, its split, and the augmented inputs in layer 1's coordinates.
#pragma once

#include <array>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "host/config/config.hpp"
#include "host/data/dataset.hpp"
#include "host/data/standardize.hpp"
#include "host/methods/common/input.hpp"

namespace gamlp {

struct ChosenDevices;  // devices.hpp

// The nodes of one part.
struct EvaluationPart {
  std::vector<std::int32_t> nodes;  // ascending
  std::vector<std::int32_t> labels;
};

// Layer 1's inputs in one kind of coordinates.
struct LayerInputs {
  TrainingInput train;
  std::array<Matrix, 2> others;  // of validation and test: nodes × TrainingInput::inputs()

  ConstMat part(std::size_t part) const { return part == 0 ? train.train.view() : others[part - 1].view(); }
};

struct Problem {
  std::string dataset_name;
  std::int64_t nodes = 0, edges = 0, features = 0;
  std::int32_t classes = 0;
  std::int64_t inputs = 0;  // n0 = hops · features
  // The coordinates that layer 1 trains in, by stage, and its inputs in each kind that some stage has. In a process
  // that does not hold the inputs their matrices are empty.
  std::vector<InputKind> stage_kinds;
  std::vector<LayerInputs> layer_inputs;
  std::array<EvaluationPart, 3> parts;  // train, validation, test
  Preparation preparation;              // of the data, which the run keeps for evaluate and predict
  std::vector<float> hop_weights;       // of the blocks of the inputs (dataset.hop_growth); empty: all are 1
  ScaleSummary scales;                  // before features were standardised; empty where another process read them
  Standardize standardized = Standardize::none;
  std::vector<std::string> notes;  // what was chosen automatically, for the log
  double load_seconds = 0, augment_seconds = 0;
  double reduce_seconds = 0;         // of the training nodes' inputs to the coordinates of layer 1
  double reduce_others_seconds = 0;  // of those of validation and test

  // Turns layer 1 of inputs that have their hops' weights into that of inputs without them; and back.
  LayerWeights unweighted(LayerWeights first) const;
  LayerWeights weighted(LayerWeights first) const;
  // Stages count from 1.
  InputKind kind(int stage) const { return stage_kinds.at(static_cast<std::size_t>(stage) - 1); }
  const LayerInputs& inputs_of(InputKind kind) const;
  const TrainingInput& input(int stage) const { return inputs_of(kind(stage)).train; }
  TrainingShape shape(int stage) const {
    return {{static_cast<std::int64_t>(train_labels().size()), inputs, classes}, kind(stage)};
  }
  std::array<std::int64_t, 3> part_nodes() const {
    std::array<std::int64_t, 3> counts{};
    for (std::size_t i = 0; i < 3; ++i) counts[i] = static_cast<std::int64_t>(parts[i].nodes.size());
    return counts;
  }
  const std::vector<std::int32_t>& train_labels() const { return parts[0].labels; }
};

// A problem, and its config, in which every choice that depends on the data is made.
struct PreparedProblem {
  Config config;
  Problem problem;
};

// Chooses where a run is placed, once the sizes of its problem are known. It may change config.partition, and the
// devices that prepare_problem() was given. Returns a note, or "".
using Place =
    std::function<std::string(Config& config, const ProblemShape& shape, const std::vector<InputKind>& begun)>;

// Loads the dataset (paths as they are) and splits it. Makes the choices that `config` leaves to the program and that
// depend on the data (choose_standardize(), resolve_problem()). A resolved config stays as it is. Then augments the
// inputs, and reduces them to the stages' coordinates, with `threads` threads. Of CUDA devices the first one augments,
// or this process's where each has one. Where it fails the CPU augments, and the problem has a note. `trained`: what a
// model to start from took from its data, classes, shift and factor, as far as it has them; the problem takes them
// over. `begun`: as resolve_problem() takes it.
PreparedProblem prepare_problem(const Config& config, int threads, const ChosenDevices& devices,
                                const Preparation& trained = {}, const std::vector<InputKind>& begun = {},
                                const Place& place = {});
PreparedProblem prepare_problem(const Config& config, int threads);  // with the devices of the config

// Returns a warning where training ended near chance. Chance is the accuracy of always naming the largest class of the
// training nodes. `train_accuracy` (of the training nodes, 0 … 1) is near it up to a tenth of the way from chance to 1.
std::optional<std::string> chance_warning(const Problem& problem, double train_accuracy);

// The sizes of a config's problem. They are counted without augmenting it.
struct ProblemCounts {
  ProblemShape shape;
  std::array<std::int64_t, 3> parts{};  // train, validation, test
  std::int64_t nodes = 0, edges = 0, features = 0;
  std::optional<std::int64_t> sparse_values;  // of the features, where they are held sparse
};
// Does not generate a graph that the config describes, but reads a file (paths as they are). Throws DataError.
ProblemCounts count_problem(const DatasetConfig& config);

}  // namespace gamlp
