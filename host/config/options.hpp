// Turns JSON into the typed sections of a config and back, by their fields() (fields.hpp; a method's fields() stands
// beside its own type). The schema has checked types and ranges before, so nothing here can fail on what a user wrote.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "host/config/enum_names.hpp"
#include "host/config/method.hpp"

namespace gamlp {

// T is Section, const or not. The definitions of fields(section, visit) use this.
template <class T, class Section>
concept SectionOf = std::is_same_v<std::remove_const_t<T>, Section>;

// Visits the fields of the section that `c` derives from: fields() of a section that adds keys to another one.
template <class Base, class T, class Visit>
void base_fields(T& c, Visit&& visit) {
  using Section = std::conditional_t<std::is_const_v<T>, const Base, Base>;
  fields(static_cast<Section&>(c), visit);
}

// ---- reading: keys that are missing leave the member as it is ---------------------------------------------

// These are declared first, because optionals, vectors and sections nest in any order.
template <class T>
void read_json(const nlohmann::json& from, T& to);
template <class T>
void read_json(const nlohmann::json& from, std::optional<T>& to);
template <class T>
void read_json(const nlohmann::json& from, std::vector<T>& to);

template <class T>
void read_json(const nlohmann::json& from, std::optional<T>& to) {
  if (from.is_null()) {
    to.reset();
  } else {
    read_json(from, to.emplace());
  }
}

template <class T>
void read_json(const nlohmann::json& from, std::vector<T>& to) {
  to.clear();
  for (const nlohmann::json& item : from) read_json(item, to.emplace_back());
}

// A list of devices, ["cuda:0", "cuda:1"], is another way to write "cuda:0,1".
inline std::string joined_devices(const nlohmann::json& list) {
  std::string text;
  for (const nlohmann::json& item : list) {
    const auto& name = item.get_ref<const std::string&>();
    text += text.empty() ? name : "," + name.substr(name.find(':') + 1);
  }
  return text;
}

template <class T>
void read_json(const nlohmann::json& from, T& to) {
  if constexpr (std::is_same_v<T, std::string>) {
    to = from.is_array() ? joined_devices(from) : from.get<T>();
  } else if constexpr (std::is_arithmetic_v<T>) {
    to = from.get<T>();
  } else if constexpr (std::is_enum_v<T>) {
    to = value_of<T>(from.get_ref<const std::string&>());
  } else {
    fields(to, [&](const char* key, auto& member) {
      if (const auto at = from.find(key); at != from.end()) read_json(*at, member);
    });
  }
}

// ---- writing ----------------------------------------------------------------------------------------------

template <class T>
nlohmann::ordered_json json_of(const T& value);
template <class T>
nlohmann::ordered_json json_of(const std::optional<T>& value);
template <class T>
nlohmann::ordered_json json_of(const std::vector<T>& values);

template <class T>
nlohmann::ordered_json json_of(const std::optional<T>& value) {
  return value ? json_of(*value) : nlohmann::ordered_json(nullptr);
}

template <class T>
nlohmann::ordered_json json_of(const std::vector<T>& values) {
  nlohmann::ordered_json out = nlohmann::ordered_json::array();
  for (const T& value : values) out.push_back(json_of(value));
  return out;
}

template <class T>
nlohmann::ordered_json json_of(const T& value) {
  if constexpr (std::is_arithmetic_v<T> || std::is_same_v<T, std::string>) {
    return value;
  } else if constexpr (std::is_enum_v<T>) {
    return std::string(name_of(value));
  } else {
    nlohmann::ordered_json out = nlohmann::ordered_json::object();
    fields(value, [&](const char* key, const auto& member) { out[key] = json_of(member); });
    return out;
  }
}

// ---- a method's own keys ----------------------------------------------------------------------------------

template <class Options>
Options options_of(const MethodConfig& method) {
  Options options;
  read_json(method.options.json(), options);
  return options;
}

// Keys of other methods stay as they are.
template <class Options>
void set_options(MethodConfig& method, const Options& options) {
  fields(options, [&](const char* key, const auto& member) { method.options.json()[key] = json_of(member); });
}

template <class Options>
std::vector<std::string> keys_of() {
  std::vector<std::string> keys;
  const Options options;
  fields(options, [&](const char* key, const auto&) { keys.push_back(key); });
  return keys;
}

}  // namespace gamlp
