#include <algorithm>
#include <charconv>

#include "host/config/explain.hpp"
#include "host/config/json_text.hpp"
#include "host/config/parse.hpp"
#include "host/core/error.hpp"

namespace gamlp {
namespace {

using nlohmann::json;

class Override {
 public:
  explicit Override(const std::string& text) : text_(text) {
    const std::size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0) malformed();
    const std::string key = text.substr(0, equals);
    for (std::size_t start = 0; start <= key.size();) {
      const std::size_t dot = std::min(key.find('.', start), key.size());
      if (dot == start || dot - start > config_max_key || path_.size() == config_max_depth) malformed();
      path_.push_back(key.substr(start, dot - start));
      start = dot + 1;
    }
    if (path_.empty() || key.back() == '.') malformed();
    raw_ = text.substr(equals + 1);
  }

  void apply(json& document) const {
    check_path();
    update_form(document);
    json* at = &document;
    JsonPath done;
    for (const std::string& part : path_) {
      at = &child(*at, done, part);
      done.push_back(part);
    }
    *at = value();
  }

 private:
  [[noreturn]] void fail(const std::string& what) const { throw ConfigError("override \"" + text_ + "\": " + what); }
  [[noreturn]] void malformed() const { fail("expected key.path=value, for example method.rho=1e-3"); }

  // Every part must exist in the schema: the document itself need not hold it yet.
  void check_path() const {
    JsonPath parent;
    for (const std::string& part : path_) {
      JsonPath full = parent;
      full.push_back(part);
      if (schema_node(full) == nullptr) {
        const json& node = *schema_node(parent);
        if (node.contains("items")) {
          fail("`" + join_path(parent) + "` is an array: expected an index such as " + join_path(parent) +
               ".0, found \"" + part + "\"");
        }
        if (!node.contains("properties")) fail("`" + join_path(parent) + "` is a single value and has no keys");
        fail(unknown_key(parent, part));
      }
      parent = std::move(full);
    }
  }

  json& child(json& parent, const JsonPath& path, const std::string& part) const {
    const json& node = *schema_node(path);
    const bool array = node.contains("items");
    if (parent.is_null()) {  // absent so far
      parent = array ? json::array() : json::object();
      if (array && node.contains("default") && node.at("default").is_array()) parent = node.at("default");
    }
    if (parent.is_object() && !array) return parent[part];
    if (!parent.is_array() || !array) {
      fail((path.empty() ? "the config" : "`" + join_path(path) + "`") + " is " + shown(parent) + ": " +
           allowed_values(node));
    }
    std::size_t index = 0;
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), index);
    if (error != std::errc() || end != part.data() + part.size() || index > parent.size()) {
      fail("`" + join_path(path) + "` has " + std::to_string(parent.size()) +
           " entries: the index must be at most that (which appends), found " + part);
    }
    if (index == parent.size()) parent.push_back(nullptr);
    return parent[index];
  }

  json value() const {
    if (json::accept(raw_)) return parse_json_text(raw_, "override \"" + text_ + "\"");
    // Something that opens like a container but is not JSON is a typing mistake, not a text.
    if (raw_.starts_with('{') || raw_.starts_with('[')) return parse_json_text(raw_, "override \"" + text_ + "\"");
    return raw_;
  }

  const std::string& text_;
  JsonPath path_;
  std::string raw_;
};

}  // namespace

void apply_override(json& document, const std::string& override_text) { Override(override_text).apply(document); }

}  // namespace gamlp
