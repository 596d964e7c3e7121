// What is wrong with a config and what is allowed instead, in the schema's terms.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "host/config/schema.hpp"

namespace gamlp {

// One line per problem of a document, each "`path` is VALUE: must be …"; empty exactly when the document is valid.
std::vector<std::string> schema_problems(const nlohmann::json& document);

// "unknown key …" with the nearest known key, or the section where the key belongs. `parent` is the path of the
// object that holds `key`.
std::string unknown_key(const JsonPath& parent, const std::string& key);

// "must be an integer from 2 to 1000", "must be one of …" for a node of the schema.
std::string allowed_values(const nlohmann::json& node);

// A value as it appears in messages: JSON, shortened.
std::string shown(const nlohmann::json& value);

// Throws ConfigError naming `source` and the first ten problems, one per line; does nothing without problems.
void throw_problems(const std::vector<std::string>& problems, const std::string& source);

}  // namespace gamlp
