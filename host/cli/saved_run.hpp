// Opens a trained model and the graph that it is applied to.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "host/data/classes.hpp"
#include "host/data/dataset.hpp"
#include "host/store/run_folder.hpp"
#include "host/store/saved_model.hpp"

namespace CLI {
class App;
}

namespace gamlp::cli {

struct SavedRun {
  std::filesystem::path folder;
  SavedModel model;
  Dataset dataset;

  std::int64_t classes() const { return model.network.back().w.rows(); }
  // The id that the training file has for a class of the model.
  std::int32_t class_id(std::int64_t c) const { return gamlp::class_id(model.preparation.class_ids, c); }
};

// Reads RUN/best.safetensors, or the weights of a stage (1-based; 0: the result's). Reads the dataset of its config, or
// `other` (.npz) in its place. Prints notes on how the model was read to standard error. Throws DataError when there is
// no such model, or when its inputs do not fit the graph's features.
SavedRun open_saved_run(const std::filesystem::path& run, const std::optional<std::string>& other, int stage = 0);

// Adds the option --stage to a command. Its value is the `stage` of open_saved_run().
void add_stage_option(CLI::App& command, int& stage);

// Returns the class scores of nodes, one row each, by the plain forward pass on the original augmented inputs. It
// augments some nodes at a time (`chunk_bytes` of inputs), so that memory stays bounded on any graph.
Matrix class_scores(const SavedRun& run, const std::vector<std::int32_t>& nodes,
                    std::size_t chunk_bytes = std::size_t{256} << 20);

// Turns each row of scores into probabilities, exp(score) over its row's sum.
void to_probabilities(Matrix& scores);

}  // namespace gamlp::cli
