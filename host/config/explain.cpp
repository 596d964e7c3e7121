#include "host/config/explain.hpp"

#include <algorithm>
#include <limits>
#include <set>

#include "host/config/suggest.hpp"
#include "host/core/error.hpp"

namespace gamlp {
namespace {

using nlohmann::json;

constexpr std::size_t max_problems = 10;
constexpr std::size_t max_shown = 60;  // bytes of a value in a message
constexpr std::size_t max_homes = 3;   // sections named as the place of a misplaced key

std::string in_ticks(const JsonPath& path) { return path.empty() ? "the config" : "`" + join_path(path) + "`"; }

std::string list(const std::vector<std::string>& items, const char* last) {
  std::string out;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (i > 0) out += i + 1 == items.size() ? std::string(" ") + last + " " : ", ";
    out += items[i];
  }
  return out;
}

// The types that a node admits, null apart.
std::vector<std::string> types_of(const json& node, bool& nullable) {
  std::vector<std::string> types;
  nullable = false;
  const auto type = node.find("type");
  if (type == node.end()) return types;
  for (const json& name : type->is_array() ? *type : json::array({*type})) {
    if (name == "null") {
      nullable = true;
    } else {
      types.push_back(name.get<std::string>());
    }
  }
  return types;
}

bool has_type(const json& value, const std::string& type) {
  if (type == "integer") return value.is_number_integer();
  if (type == "number") return value.is_number();
  if (type == "string") return value.is_string();
  if (type == "boolean") return value.is_boolean();
  if (type == "object") return value.is_object();
  return type == "array" && value.is_array();
}

std::string bounds(const json& node) {
  const auto text = [&](const char* key, const char* words) {
    const auto at = node.find(key);
    return at == node.end() ? std::string() : words + at->dump();
  };
  const std::string low = text("minimum", ""), high = text("maximum", "");
  if (!low.empty() && !high.empty()) return " from " + low + " to " + high;
  std::vector<std::string> parts;
  for (const std::string& part : {text("minimum", "at least "), text("exclusiveMinimum", "above "),
                                  text("maximum", "at most "), text("exclusiveMaximum", "below ")}) {
    if (!part.empty()) parts.push_back(part);
  }
  return parts.empty() ? "" : " " + list(parts, "and");
}

bool within_bounds(const json& value, const json& node) {
  const double v = value.get<double>();
  const auto bound = [&](const char* key, double otherwise) { return node.value(key, otherwise); };
  const double infinity = std::numeric_limits<double>::infinity();
  return v >= bound("minimum", -infinity) && v <= bound("maximum", infinity) &&
         v > bound("exclusiveMinimum", -infinity) && v < bound("exclusiveMaximum", infinity);
}

std::vector<std::string> keys_of(const json& node) {
  std::vector<std::string> keys;
  if (const auto properties = node.find("properties"); properties != node.end()) {
    for (const auto& [key, child] : properties->items()) {
      if (key != "$schema") keys.push_back(key);
    }
  }
  return keys;
}

std::string of_type(const std::string& type, const json& node) {
  const auto count = [&](const char* key) { return node.value(key, std::uint64_t{0}); };
  if (type == "integer") return "an integer" + bounds(node);
  if (type == "number") return "a number" + bounds(node);
  if (type == "boolean") return "true or false";
  if (type == "array") {
    return "an array of " + std::to_string(count("minItems")) + " to " + std::to_string(count("maxItems")) + " entries";
  }
  if (type == "object") return "an object with keys among " + list(keys_of(node), "and");
  const auto pattern = node.find("patternErrorMessage");
  if (pattern != node.end()) return pattern->get<std::string>().substr(8);  // without its "must be "
  if (count("minLength") > 0) {
    return "a string of " + std::to_string(count("minLength")) + " to " + std::to_string(count("maxLength")) + " bytes";
  }
  return "a string";
}

// What is wrong with one value by its own node of the schema, children apart.
class NodeCheck {
 public:
  NodeCheck(const json& value, const json& node, const JsonPath& path) : value_(value), node_(node), path_(path) {}

  std::vector<std::string> problems() {
    bool nullable = false;
    const std::vector<std::string> types = types_of(node_, nullable);
    const auto fits = [&](const std::string& type) { return has_type(value_, type); };
    if (!types.empty() && std::none_of(types.begin(), types.end(), fits) && !(nullable && value_.is_null())) {
      reject();
    } else if (const auto allowed = node_.find("enum"); allowed != node_.end()) {
      if (std::find(allowed->begin(), allowed->end(), value_) == allowed->end()) reject();
    } else if (value_.is_number()) {
      if (!within_bounds(value_, node_)) reject();
    } else if (value_.is_array()) {
      const std::size_t size = value_.size();
      if (size < node_.value("minItems", std::size_t{0}) || size > node_.value("maxItems", size)) {
        found_.push_back(in_ticks(path_) + " has " + std::to_string(size) + " entries: " + allowed_values(node_));
      }
    } else if (value_.is_string()) {
      // The only constraints of strings are pattern and length, so a violation here is one of them.
      reject();
    } else if (value_.is_object()) {
      check_object();
    }
    return std::move(found_);
  }

 private:
  void reject() {
    std::string line = in_ticks(path_) + " is " + shown(value_) + ": " + allowed_values(node_);
    if (value_.is_string()) {
      const std::string text = value_.get<std::string>();
      std::vector<std::string> names;
      for (const json& name : node_.value("enum", json::array())) {
        if (name.is_string()) names.push_back(name.get<std::string>());
      }
      const std::string near = closest_match(text, names);
      if (!near.empty()) line += "; did you mean \"" + near + "\"?";
    }
    found_.push_back(std::move(line));
  }

  void check_object() {
    const json& properties = node_.at("properties");
    for (const auto& [key, child] : value_.items()) {
      if (!properties.contains(key)) found_.push_back(unknown_key(path_, key));
    }
    for (const json& required : node_.value("required", json::array())) {
      const std::string key = required.get<std::string>();
      if (value_.contains(key)) continue;
      JsonPath full = path_;
      full.push_back(key);
      found_.push_back(in_ticks(full) + " is missing: " + allowed_values(*schema_node(full)));
    }
    if (const auto alternatives = node_.find("oneOf"); alternatives != node_.end()) check_alternatives(*alternatives);
  }

  // oneOf lists alternatives that each require one key.
  void check_alternatives(const json& alternatives) {
    std::vector<std::string> all, given;
    for (const json& alternative : alternatives) {
      const std::string key = alternative.at("required").at(0).get<std::string>();
      all.push_back(key);
      if (value_.contains(key) && !value_.at(key).is_null()) given.push_back(key);
    }
    if (given.size() == 1) return;
    found_.push_back(in_ticks(path_) + " holds " + (given.empty() ? "none" : list(given, "and")) + " of " +
                     list(all, "and") + ": exactly one of them must be given");
  }

  const json& value_;
  const json& node_;
  const JsonPath& path_;
  std::vector<std::string> found_;
};

const json* value_at(const json& document, const JsonPath& path) {
  const json* at = &document;
  for (const std::string& part : path) {
    if (at->is_object() && at->contains(part)) {
      at = &at->at(part);
    } else if (at->is_array()) {
      const std::size_t index = std::stoul(part);  // the validator's own index
      if (index >= at->size()) return nullptr;
      at = &at->at(index);
    } else {
      return nullptr;
    }
  }
  return at;
}

}  // namespace

std::string shown(const json& value) {
  std::string text = value.dump(-1, ' ', false, json::error_handler_t::replace);
  if (text.size() <= max_shown) return text;
  std::size_t cut = max_shown;
  while (cut > 0 && (static_cast<unsigned char>(text[cut]) & 0xC0) == 0x80) --cut;  // not inside a UTF-8 character
  return text.substr(0, cut) + "…";
}

std::string allowed_values(const json& node) {
  bool nullable = false;
  std::vector<std::string> parts;
  const std::vector<std::string> types = types_of(node, nullable);
  if (const auto allowed = node.find("enum"); allowed != node.end()) {
    for (const json& value : *allowed) parts.push_back(value.dump());
    return parts.size() == 1 ? "must be " + parts[0] : "must be one of " + list(parts, "or");
  }
  for (const std::string& type : types) parts.push_back(of_type(type, node));
  if (nullable) parts.push_back("null");
  return "must be " + list(parts, "or");
}

std::string unknown_key(const JsonPath& parent, const std::string& key) {
  std::string line = in_ticks(parent) + " has the unknown key " + shown(key);
  const json* node = schema_node(parent);
  const std::vector<std::string> siblings = node ? keys_of(*node) : std::vector<std::string>();

  std::vector<std::string> homes;
  std::vector<std::string> everywhere;
  for (const JsonPath& path : schema_paths()) {
    everywhere.push_back(path.back());
    const bool of_stage = path.size() > 3 && path[0] == "stages";  // method has the same keys
    if (path.back() == key && !of_stage && homes.size() < max_homes) {
      homes.push_back(path.size() == 1 ? "the top level" : in_ticks(JsonPath(path.begin(), path.end() - 1)));
    }
  }
  const std::string sibling = closest_match(key, siblings);
  if (!sibling.empty()) line += "; did you mean \"" + sibling + "\"?";
  if (!homes.empty()) return line + "; `" + key + "` belongs in " + list(homes, "or");
  if (!sibling.empty()) return line;

  const std::string far = closest_match(key, everywhere);
  for (const JsonPath& path : schema_paths()) {
    if (!far.empty() && path.back() == far) return line + "; did you mean `" + join_path(path) + "`?";
  }
  return siblings.empty() ? line : line + "; known keys: " + list(siblings, "and");
}

std::vector<std::string> schema_problems(const json& document) {
  const std::vector<SchemaViolation> violations = schema_violations(document);
  std::vector<std::string> problems;
  std::set<JsonPath> seen;
  for (const SchemaViolation& violation : violations) {
    if (!seen.insert(violation.path).second) continue;
    const json* node = schema_node(violation.path);
    const json* value = value_at(document, violation.path);
    if (node == nullptr || value == nullptr) continue;
    for (std::string& line : NodeCheck(*value, *node, violation.path).problems()) problems.push_back(std::move(line));
  }
  // A constraint that has no wording above still must not pass.
  if (problems.empty() && !violations.empty()) {
    problems.push_back(in_ticks(violations.front().path) + ": " + violations.front().text);
  }
  return problems;
}

void throw_problems(const std::vector<std::string>& problems, const std::string& source) {
  if (problems.empty()) return;
  if (problems.size() == 1) throw ConfigError(source + ": " + problems.front());
  std::string message = source + ": " + std::to_string(problems.size()) + " problems:";
  for (std::size_t i = 0; i < std::min(problems.size(), max_problems); ++i) message += "\n  " + problems[i];
  if (problems.size() > max_problems) {
    message += "\n  and " + std::to_string(problems.size() - max_problems) + " more";
  }
  throw ConfigError(message);
}

}  // namespace gamlp
