// The option --smooth of evaluate and predict: Correct and Smooth (host/graph/correct_and_smooth.hpp).
#pragma once

#include <optional>
#include <string>

#include "host/cli/saved_run.hpp"
#include "host/graph/correct_and_smooth.hpp"

namespace CLI {
class App;
}

namespace gamlp::cli {

// Adds it to a command. Its text is "auto" or "CORRECT,SMOOTH", two numbers from 0 to 1.
void add_smooth_option(CLI::App& command, std::optional<std::string>& text);

struct Smoothed {
  CorrectAndSmooth options;
  Matrix probabilities;  // of every node
};

// Scores every node, and corrects and smooths by the labels of the training nodes of the run's split. "auto" tries some
// pairs of numbers, none among them, and takes the one with the best validation accuracy; of equals, the smallest.
// Throws DataError where the graph has no labels, or no validation nodes for "auto".
Smoothed smoothed(const SavedRun& run, const std::string& text);

// Returns the rows of some nodes. Each adds up to 1.
Matrix rows_of(const Matrix& probabilities, const std::vector<std::int32_t>& nodes);

}  // namespace gamlp::cli
