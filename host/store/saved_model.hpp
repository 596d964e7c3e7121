// best.safetensors, the file of a trained model. It holds
//   - the weights W1, b1, … for the original inputs (F32);
//   - what training took from its data, where there is any (class_ids I32, feature_shift and feature_factor F64);
//   - in the metadata the config, the epoch and the format.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "host/config/config.hpp"
#include "host/data/standardize.hpp"
#include "host/methods/common/network.hpp"

namespace gamlp {

struct SavedModel {
  Network network;
  Config config;
  Preparation preparation;
  std::vector<std::string> notes;  // what a user should know of how the file was read
};

// Writes atomically. Throws IoError.
void write_model(const std::filesystem::path& path, const SavedModel& model, std::int64_t epoch);

// Other programs may save weights as F64, F16 or BF16. They are converted, with a note. Tensors of other names are
// ignored, whatever their dtype. Other programs drop the config from the metadata. Then the config.json beside the file
// is taken, with a note. Throws DataError or ConfigError that names the file and the defect.
SavedModel load_model(const std::filesystem::path& path);

}  // namespace gamlp
