// Starts a run from the weights of another (train.from): to train it further with other constants, or to fine-tune it
// on another graph of the same features.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "host/config/config.hpp"
#include "host/problem/problem.hpp"
#include "host/store/saved_model.hpp"

namespace gamlp {

struct WarmStart {
  std::filesystem::path file;
  SavedModel model;  // its network is for the original inputs
  // What of its preparation the new run takes over. The classes: unless the head is new. Shift and factor: where the
  // run standardises features in the same way.
  Preparation preparation;
  std::vector<std::string> warnings;  // keys whose values differ from those that the weights were trained with
};

// Reads train.from, a path as it is: a .safetensors file (load_model()), or a run folder, whose best.safetensors is
// meant. Where the config leaves dataset.standardize open, it gets the value of the weights. Throws DataError.
WarmStart load_warm_start(Config& config);
// Reads it from `file` instead.
WarmStart load_warm_start(Config& config, const std::filesystem::path& file);

// Throws DataError where the weights do not fit: it names the file, the tensor, its shape, and the one expected.
void expect_fits(const WarmStart& start, const Config& config, const Problem& problem);

// Returns the weights of the first stage, in its coordinates. `fresh` has its shape, with new weights: a new head is
// taken from it.
Network warm_network(const WarmStart& start, const Config& config, const Problem& problem, const Network& fresh);

}  // namespace gamlp
