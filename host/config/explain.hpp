// Explains to the user what is wrong with a config and what is allowed instead, in the schema's terms.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "host/config/schema.hpp"

namespace gamlp {

// Returns one line per problem of a document, each "`path` is VALUE: must be …". The result is empty exactly when the
// document is valid.
std::vector<std::string> schema_problems(const nlohmann::json& document);

// Returns "unknown key …" with the nearest known key, or with the section where the key belongs. `parent` is the path
// of the object that holds `key`.
std::string unknown_key(const JsonPath& parent, const std::string& key);

// Returns what a node of the schema allows: "must be an integer from 2 to 1000", or "must be one of …".
std::string allowed_values(const nlohmann::json& node);

// Returns a value as it appears in messages: as JSON, shortened.
std::string shown(const nlohmann::json& value);

// Throws a ConfigError with `source` and the first ten problems, one per line. Does nothing without problems.
void throw_problems(const std::vector<std::string>& problems, const std::string& source);

}  // namespace gamlp
