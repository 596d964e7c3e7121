// JSON ↔ Config. Every error is a ConfigError that names the source, the path in the document, what was found
// and what is allowed.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>

#include "host/config/check.hpp"
#include "host/config/config.hpp"

namespace gamlp {

// Validates against the schema, converts, and applies check_config's rules. `source` is what messages name.
Config parse_config(const nlohmann::json& document, const std::string& source);

// The same from text, in which // and /* */ comments are allowed.
Config parse_config_text(std::string_view text, const std::string& source);

// The JSON of a file of at most 16 MiB, comments allowed (json_text.hpp).
nlohmann::json read_document(const std::filesystem::path& file);

// `overrides` are applied in order before validating. An override is key.path=value, e.g. "method.rho=1e-3" or
// "stages.2.epochs=50"; a value that is not JSON is a string.
Config parse_document(nlohmann::json document, const std::filesystem::path& file,
                      std::span<const std::string> overrides = {});

// Both.
Config load_config(const std::filesystem::path& file, std::span<const std::string> overrides = {});

// Sets one value of a document; the arrays of defaults come into being when one of their entries is set.
void apply_override(nlohmann::json& document, const std::string& override_text);

// Every key, in the order of config.hpp, except the dataset sources that are not used. For a config that
// check_config() accepts, parse_config(to_json(c), …) equals c exactly.
nlohmann::ordered_json to_json(const Config& config);

}  // namespace gamlp
