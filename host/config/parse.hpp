// JSON ↔ Config. Every error is a ConfigError that names the source, the path in the document, what was found
// and what is allowed. To load a config with all of its rules: host/methods/load_config.hpp.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "host/config/config.hpp"

namespace gamlp {

// The JSON of a file of at most 16 MiB, comments allowed (json_text.hpp).
nlohmann::json read_document(const std::filesystem::path& file);

// Validates against the schema and converts. `source` is what messages name.
Config read_config(const nlohmann::json& document, const std::string& source);

// Sets one value of a document; the arrays of defaults come into being when one of their entries is set.
void apply_override(nlohmann::json& document, const std::string& override_text);

// Section `method` as to_json() writes it.
nlohmann::ordered_json method_json(const MethodConfig& method);

// Every key, in the order of config.hpp and of the schema, except the dataset sources that are not used. For a config
// that the schema and the rules accept, read_config(to_json(c), …) says the same as c exactly.
nlohmann::ordered_json to_json(const Config& config);

}  // namespace gamlp
