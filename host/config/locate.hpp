// Where the files that a config names lie.
#pragma once

#include <filesystem>
#include <string>

#include "host/config/config.hpp"

namespace gamlp {

// An absolute path as it is; a relative one beside the config if a file is there, else in the working folder.
// Throws DataError naming `key` and both places when it is in neither.
std::filesystem::path locate_file(const std::string& key, const std::string& file,
                                  const std::filesystem::path& config_folder);

// Replaces dataset.path and the three files of dataset.text by absolute paths, so that the resolved config
// means the same files from any folder.
void locate_dataset(DatasetConfig& dataset, const std::filesystem::path& config_folder);

}  // namespace gamlp
