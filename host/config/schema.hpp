// configs/schema.json inside the program: its text, its nodes by path, and the verdict on a config.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gamlp {

// Keys and array indices from the root of a config: {"exchange", "p", "bits"}, {"stages", "2", "epochs"}.
using JsonPath = std::vector<std::string>;

// `exchange.p.bits`, `stages.2.epochs`: the form that messages and overrides share.
std::string join_path(const JsonPath& path);

std::string_view schema_text();  // the published file, byte for byte
const nlohmann::json& schema();  // parsed

// The part of the schema that describes `path`, references followed; null when the schema has no such path.
const nlohmann::json* schema_node(const JsonPath& path);

// Every key of the schema, sections included, in the schema's order of names; items of arrays appear as index 0.
const std::vector<JsonPath>& schema_paths();

// What the validator objects to: the path in the document and the validator's own words.
struct SchemaViolation {
  JsonPath path;
  std::string text;
};
// Empty exactly when the document is valid.
std::vector<SchemaViolation> schema_violations(const nlohmann::json& document);

}  // namespace gamlp
