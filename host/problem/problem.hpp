// From a config to what training needs: the graph, its split, the augmented inputs in layer 1's coordinates.
#pragma once

#include <array>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "host/config/config.hpp"
#include "host/data/dataset.hpp"
#include "host/data/standardize.hpp"
#include "host/methods/common/input.hpp"

namespace gamlp {

struct ChosenDevices;  // devices.hpp

// The nodes of one part with their inputs, as the evaluator reads them.
struct EvaluationPart {
  std::vector<std::int32_t> nodes;  // ascending
  std::vector<std::int32_t> labels;
  Matrix inputs;  // nodes × TrainingInput::inputs(); empty for the train part of plain and kernel
};

struct Problem {
  std::string dataset_name;
  std::int64_t nodes = 0, edges = 0, features = 0;
  std::int32_t classes = 0;
  std::int64_t inputs = 0;  // n0 = hops · features
  TrainingInput input;
  std::array<EvaluationPart, 3> parts;  // train, validation, test
  Preparation preparation;              // of the data, which the run keeps for evaluate and predict
  ScaleSummary scales;                  // of the features before they were standardised; empty on other ranks than 0
  Standardize standardized = Standardize::none;
  std::vector<std::string> notes;  // what was chosen automatically, for the log
  double load_seconds = 0, augment_seconds = 0, reduce_seconds = 0;

  TrainingShape shape() const {
    return {{static_cast<std::int64_t>(train_labels().size()), inputs, classes}, input.kind};
  }
  std::array<std::int64_t, 3> part_nodes() const {
    std::array<std::int64_t, 3> counts{};
    for (std::size_t i = 0; i < 3; ++i) counts[i] = static_cast<std::int64_t>(parts[i].nodes.size());
    return counts;
  }
  const std::vector<std::int32_t>& train_labels() const { return parts[0].labels; }
  ConstMat part_inputs(std::size_t part) const { return part == 0 ? input.train.view() : parts[part].inputs.view(); }
};

// A problem, and its config with every choice made.
struct PreparedProblem {
  Config config;
  Problem problem;
};

// Loads the dataset (paths as they are) and splits it; makes the choices that `config` leaves to the program, which
// depend on the data (choose_standardize(), resolve_problem()); augments, and reduces. A resolved config stays as it
// is. `threads`: for the augmentation and the reduction. On CUDA devices the first of them augments (of several
// processes: this one's); where it fails the CPU does, with a note.
PreparedProblem prepare_problem(const Config& config, int threads, const ChosenDevices& devices);
PreparedProblem prepare_problem(const Config& config, int threads);  // with the devices of the config

// What to warn of where training ended with an accuracy (of the training nodes, 0 … 1) near that of always naming their
// largest class: within a tenth of the way from there to 1. Nothing where it did not.
std::optional<std::string> chance_warning(const Problem& problem, double train_accuracy);

// How many nodes of everything a config's problem has, without augmenting it.
struct ProblemCounts {
  ProblemShape shape;
  std::array<std::int64_t, 3> parts{};  // train, validation, test
  std::int64_t nodes = 0, edges = 0, features = 0;
  std::optional<std::int64_t> sparse_values;  // of the features, where they are held sparse
};
// A generated graph is not generated; a file is read (paths as they are).
ProblemCounts count_problem(const DatasetConfig& config);

}  // namespace gamlp
