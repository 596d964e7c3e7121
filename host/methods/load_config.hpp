// Loads configs, and checks them by all rules: those of the schema, those between sections (host/config/check.hpp), and
// those of the method. Every error is a ConfigError. It names the source, the path in the document, what was found and
// what is allowed.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "host/config/parse.hpp"

namespace gamlp {

// Messages name `source`.
Config parse_config(const nlohmann::json& document, const std::string& source);
// Notes in config.partition whether shards are workers of some stage's method, and whether one replicates the network.
// parse_config() does so.
void mark_workers(Config& config);

// Does the same with a text, which may hold // and /* */ comments.
Config parse_config_text(std::string_view text, const std::string& source);

// Applies the overrides in order, then parses. An override is key.path=value, e.g. "method.rho=1e-3" or
// "stages.2.epochs=50". A value that is not JSON is taken as a string.
Config parse_document(nlohmann::json document, const std::filesystem::path& file,
                      std::span<const std::string> overrides = {});

// Calls read_document(), then parse_document().
Config load_config(const std::filesystem::path& file, std::span<const std::string> overrides = {});

// Returns one line per contradiction, which names the keys involved. Empty when the config can be run.
std::vector<std::string> config_problems(const Config& config);

// Throws ConfigError with those lines. parse_config() makes the same check. Call this again on a resolved config.
void check_config(const Config& config);

// Returns a line for each setting that is allowed but known to go wrong or to have no effect. Most useful on a resolved
// config.
std::vector<std::string> config_warnings(const Config& config);

}  // namespace gamlp
