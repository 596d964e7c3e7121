// Finds the files that a config names.
#pragma once

#include <filesystem>
#include <string>

#include "host/config/config.hpp"

namespace gamlp {

// Returns an absolute path as it is. A relative one is looked for beside the config, then in the working folder. Throws
// a DataError that names `key` and the places where it looked, when the file is in none of them, and then gives `hint`.
std::filesystem::path locate_file(const std::string& key, const std::string& file,
                                  const std::filesystem::path& config_folder, const std::string& hint = "");

// Replaces dataset.path and the three files of dataset.text by absolute paths, so that the resolved config means the
// same files from any folder. Throws a DataError as above.
void locate_dataset(DatasetConfig& dataset, const std::filesystem::path& config_folder);
// Does the same with train.from.
void locate_start(TrainConfig& train, const std::filesystem::path& config_folder);

}  // namespace gamlp
