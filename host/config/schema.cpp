#include "host/config/schema.hpp"

#include <algorithm>
#include <limits>
#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validation_results.hpp>
#include <valijson/validator.hpp>

#include "host/core/error.hpp"

namespace gamlp {
namespace {

using nlohmann::json;

const json& followed(const json& node) {
  const auto reference = node.find("$ref");
  if (reference == node.end()) return node;
  return schema().at(json::json_pointer(reference->get<std::string>().substr(1)));  // "#/definitions/…"
}

bool is_index(const std::string& text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

void collect(const json& node, JsonPath& path, std::vector<JsonPath>& out) {
  if (const auto properties = node.find("properties"); properties != node.end()) {
    for (const auto& [key, child] : properties->items()) {
      if (key == "$schema") continue;
      path.push_back(key);
      out.push_back(path);
      collect(followed(child), path, out);
      path.pop_back();
    }
  }
  if (const auto items = node.find("items"); items != node.end()) {
    path.push_back("0");
    collect(followed(*items), path, out);
    path.pop_back();
  }
}

struct CompiledSchema {
  valijson::Schema value;  // neither copied nor moved
  CompiledSchema() {
    valijson::SchemaParser parser;  // draft 7
    parser.populateSchema(valijson::adapters::NlohmannJsonAdapter(schema()), value);
  }
};

const valijson::Schema& compiled() {
  static const CompiledSchema result;
  return result.value;
}

}  // namespace

std::string join_path(const JsonPath& path) {
  std::string out;
  for (const std::string& part : path) {
    if (!out.empty()) out += '.';
    out += part;
  }
  return out;
}

const json& schema() {
  static const json parsed = json::parse(schema_text());
  return parsed;
}

const json* schema_node(const JsonPath& path) {
  const json* node = &schema();
  for (const std::string& part : path) {
    if (const auto properties = node->find("properties"); properties != node->end() && properties->contains(part)) {
      node = &followed(properties->at(part));
    } else if (const auto items = node->find("items"); items != node->end() && is_index(part)) {
      node = &followed(*items);
    } else {
      return nullptr;
    }
  }
  return node;
}

const std::vector<JsonPath>& schema_paths() {
  static const std::vector<JsonPath> paths = [] {
    std::vector<JsonPath> out;
    JsonPath path;
    collect(schema(), path, out);
    return out;
  }();
  return paths;
}

std::vector<SchemaViolation> schema_violations(const json& document) {
  const valijson::adapters::NlohmannJsonAdapter adapter(document);
  valijson::ValidationResults results;
  valijson::Validator validator;
  std::vector<SchemaViolation> out;
  if (validator.validate(compiled(), adapter, &results)) return out;
  for (const auto& error : results) {
    SchemaViolation violation;
    violation.text = error.description;
    for (std::size_t i = 1; i < error.context.size(); ++i) {  // entry 0 is "<root>", the others "[key]"
      const std::string& part = error.context[i];
      violation.path.push_back(part.size() >= 2 ? part.substr(1, part.size() - 2) : part);
    }
    out.push_back(std::move(violation));
  }
  if (out.empty()) out.push_back({{}, "does not match the schema"});
  return out;
}

}  // namespace gamlp
