// Configs that the program itself wrote into run folders, weights and checkpoints. They name every key that the program
// knew then. A key that is missing is younger than the run. It gets the value that says what the program did before.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "host/config/config.hpp"

namespace gamlp {

// As parse_config_text() and load_config() of load_config.hpp. `notes` gains what a user should know of the config.
Config parse_saved_config(std::string_view text, const std::string& source, std::vector<std::string>& notes);
Config load_saved_config(const std::filesystem::path& file, std::vector<std::string>& notes,
                         std::span<const std::string> overrides = {});

}  // namespace gamlp
