// The schema of configs, configs/schema.json, inside the program. Gives its text and its nodes by path, and checks a
// config against it.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gamlp {

// Keys and array indices from the root of a config: {"exchange", "p", "bits"}, {"stages", "2", "epochs"}.
using JsonPath = std::vector<std::string>;

// Returns `exchange.p.bits` or `stages.2.epochs`, the form that messages and overrides share.
std::string join_path(const JsonPath& path);

std::string_view schema_text();  // the published file, byte for byte
const nlohmann::json& schema();  // parsed

// Returns the part of the schema that describes `path`, and follows references. Returns null when the schema has no
// such path.
const nlohmann::json* schema_node(const JsonPath& path);

// Returns every key of the schema, also the sections, in the schema's order of names. An item of an array appears as
// index 0.
const std::vector<JsonPath>& schema_paths();

// What the validator objects to: the path in the document, and the validator's own words.
struct SchemaViolation {
  JsonPath path;
  std::string text;
};
// The result is empty exactly when the document is valid.
std::vector<SchemaViolation> schema_violations(const nlohmann::json& document);

}  // namespace gamlp
