// Turns JSON into a Config and back. Every error is a ConfigError that names the source, the path in the document, what
// was found and what is allowed. host/methods/load_config.hpp loads a config and checks all of its rules.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "host/config/config.hpp"

namespace gamlp {

// Reads the JSON of a file of at most 16 MiB. Comments are allowed (json_text.hpp).
nlohmann::json read_document(const std::filesystem::path& file);

// Validates the document against the schema and converts it. Messages name `source`.
Config read_config(const nlohmann::json& document, const std::string& source);

// Sets one value of a document by "key.path=value". Where the document lacks an array that has a default, setting one
// of its entries first creates the default.
void apply_override(nlohmann::json& document, const std::string& override_text);

// Returns the section `method` as to_json() writes it.
nlohmann::ordered_json method_json(const MethodConfig& method);

// Returns every key, in the order of config.hpp and of the schema, except the dataset sources that are not used. For a
// config c that the schema and the rules accept, read_config(to_json(c), …) says exactly the same as c.
nlohmann::ordered_json to_json(const Config& config);

}  // namespace gamlp
