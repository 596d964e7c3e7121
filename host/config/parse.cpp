#include "host/config/parse.hpp"

#include <vector>

#include "host/config/enums.hpp"
#include "host/config/explain.hpp"
#include "host/config/fields.hpp"
#include "host/config/json_text.hpp"
#include "host/core/files.hpp"

namespace gamlp {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

// ---- reading: the schema has settled types and ranges, so nothing here can fail on user input ------------

// Declared first: optionals, vectors and sections nest in any order.
template <class T>
void read(const json& from, T& to);
template <class T>
void read(const json& from, std::optional<T>& to);
template <class T>
void read(const json& from, std::vector<T>& to);

template <class T>
void read(const json& from, std::optional<T>& to) {
  if (from.is_null()) {
    to.reset();
  } else {
    read(from, to.emplace());
  }
}

template <class T>
void read(const json& from, std::vector<T>& to) {
  to.clear();
  for (const json& item : from) read(item, to.emplace_back());
}

// A list of devices, ["cuda:0", "cuda:1"], is another way to write "cuda:0,1".
std::string joined_devices(const json& list) {
  std::string text;
  for (const json& item : list) {
    const auto& name = item.get_ref<const std::string&>();
    text += text.empty() ? name : "," + name.substr(name.find(':') + 1);
  }
  return text;
}

template <class T>
void read(const json& from, T& to) {
  if constexpr (std::is_same_v<T, std::string>) {
    to = from.is_array() ? joined_devices(from) : from.get<T>();
  } else if constexpr (std::is_arithmetic_v<T>) {
    to = from.get<T>();
  } else if constexpr (std::is_enum_v<T>) {
    to = value_of<T>(from.get_ref<const std::string&>());
  } else {
    fields(to, [&](const char* key, auto& member) {
      if (const auto at = from.find(key); at != from.end()) read(*at, member);
    });
  }
}

// ---- writing ----------------------------------------------------------------------------------------------

template <class T>
ordered_json written(const T& value);
template <class T>
ordered_json written(const std::optional<T>& value);
template <class T>
ordered_json written(const std::vector<T>& values);

template <class T>
ordered_json written(const std::optional<T>& value) {
  return value ? written(*value) : ordered_json(nullptr);
}

template <class T>
ordered_json written(const std::vector<T>& values) {
  ordered_json out = ordered_json::array();
  for (const T& value : values) out.push_back(written(value));
  return out;
}

template <class T>
ordered_json written(const T& value) {
  if constexpr (std::is_arithmetic_v<T> || std::is_same_v<T, std::string>) {
    return value;
  } else if constexpr (std::is_enum_v<T>) {
    return std::string(name_of(value));
  } else {
    ordered_json out = ordered_json::object();
    fields(value, [&](const char* key, const auto& member) { out[key] = written(member); });
    return out;
  }
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

Config parse_config(const json& document, const std::string& source) {
  const json canonical = canonical_json(document, source);
  throw_problems(schema_problems(canonical), source);
  Config config;
  read(canonical, config);
  throw_problems(config_problems(config), source);
  return config;
}

Config parse_config_text(std::string_view text, const std::string& source) {
  return parse_config(parse_json_text(text, source), source);
}

Config parse_document(json document, const std::filesystem::path& file, std::span<const std::string> overrides) {
  for (const std::string& text : overrides) apply_override(document, text);
  return parse_config(document, file.string() + (overrides.empty() ? "" : " (with overrides)"));
}

Config load_config(const std::filesystem::path& file, std::span<const std::string> overrides) {
  return parse_document(read_document(file), file, overrides);
}

ordered_json to_json(const Config& config) {
  ordered_json out = written(config);
  for (const char* source : {"path", "text", "generate"}) {
    if (out["dataset"][source].is_null()) out["dataset"].erase(source);
  }
  return out;
}

}  // namespace gamlp
