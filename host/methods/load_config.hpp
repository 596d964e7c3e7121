// Loading a config with all of its rules: the schema's, those between its sections (host/config/check.hpp), and its
// method's. Every error is a ConfigError that names the source, the path in the document, what was found and what is
// allowed.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "host/config/parse.hpp"

namespace gamlp {

// `source` is what messages name.
Config parse_config(const nlohmann::json& document, const std::string& source);

// The same from text, in which // and /* */ comments are allowed.
Config parse_config_text(std::string_view text, const std::string& source);

// `overrides` are applied in order before validating. An override is key.path=value, e.g. "method.rho=1e-3" or
// "stages.2.epochs=50"; a value that is not JSON is a string.
Config parse_document(nlohmann::json document, const std::filesystem::path& file,
                      std::span<const std::string> overrides = {});

// read_document() and this.
Config load_config(const std::filesystem::path& file, std::span<const std::string> overrides = {});

// One line per contradiction, each naming the keys involved; empty when the config can be run.
std::vector<std::string> config_problems(const Config& config);

// Throws ConfigError with those lines. parse_config() has called it; call it again on a resolved config.
void check_config(const Config& config);

// Settings that are allowed but known to go wrong or to have no effect. Most useful on a resolved config.
std::vector<std::string> config_warnings(const Config& config);

}  // namespace gamlp
