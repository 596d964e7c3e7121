#include "host/config/parse.hpp"

#include <utility>

#include "host/config/explain.hpp"
#include "host/config/fields.hpp"
#include "host/config/json_text.hpp"
#include "host/config/schema.hpp"
#include "host/core/error.hpp"
#include "host/core/files.hpp"

namespace gamlp {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

// A value as the schema's type says: 1 is 1.0 where the type is "number".
ordered_json normalized(const json& value, const json& type) {
  const bool number = type == "number" || (type.is_array() && type.front() == "number");
  if (number && value.is_number_integer()) return value.get<double>();
  return value;
}

// Null for an enum that may be null, which has no type.
json type_of(const ordered_json& node) { return node.contains("type") ? json(node.at("type")) : json(); }

ordered_json complete_section(const json& given, const ordered_json& node);

// A value, or its default where it is not given.
ordered_json complete_value(const json* given, const ordered_json& node) {
  if (node.contains("properties")) return complete_section(given != nullptr ? *given : json::object(), node);
  if (given == nullptr) return node.at("default");
  if (!given->is_array()) return normalized(*given, type_of(node));
  ordered_json list = ordered_json::array();
  for (const json& item : *given) list.push_back(normalized(item, type_of(node.at("items"))));
  return list;
}

// Every key of the section in the schema's order, with its default where it is not given.
ordered_json complete_section(const json& given, const ordered_json& node) {
  ordered_json out = ordered_json::object();
  for (const auto& [key, child] : node.at("properties").items()) {
    const auto at = given.find(key);
    out[key] = complete_value(at != given.end() ? &*at : nullptr, child);
  }
  return out;
}

MethodConfig read_method(json given) {
  MethodConfig method;
  read_json(given, method);
  fields(method, [&](const char* key, const auto&) { given.erase(key); });
  method.options.json() = std::move(given);
  return method;
}

}  // namespace

json read_document(const std::filesystem::path& file) {
  std::string text;
  try {
    text = read_file(file, config_max_bytes);
  } catch (const DataError& error) {
    throw ConfigError(error.what());  // to the user a config is not data: another exit status
  }
  return parse_json_text(text, file.string());
}

Config read_config(const json& document, const std::string& source) {
  json canonical = canonical_json(document, source);
  update_form(canonical);
  throw_problems(schema_problems(canonical), source);
  Config config;
  read_json(canonical, config);
  const json method = canonical.value("method", json::object());
  config.method = read_method(method);
  const json stages = canonical.value("stages", json::array());
  for (std::size_t i = 0; i < stages.size(); ++i) {
    if (!stages[i].contains("method")) continue;
    json merged = method;
    merged.update(stages[i].at("method"), true);
    config.stages[i].method = read_method(std::move(merged));
  }
  return config;
}

ordered_json method_json(const MethodConfig& method) {
  static const ordered_json node = ordered_json::parse(schema_text()).at("properties").at("method");
  json given = method.options.json();
  given.update(json(json_of(method)));
  return complete_section(given, node);
}

ordered_json to_json(const Config& config) {
  ordered_json out = json_of(config);
  out["method"] = method_json(config.method);
  for (std::size_t i = 0; i < config.stages.size(); ++i) {
    if (config.stages[i].method) out["stages"][i]["method"] = method_json(*config.stages[i].method);
  }
  for (const char* source : {"path", "text", "generate"}) {
    if (out["dataset"][source].is_null()) out["dataset"].erase(source);
  }
  return out;
}

}  // namespace gamlp
