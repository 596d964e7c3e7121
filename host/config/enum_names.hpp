// Converts between an enumeration of the config and its JSON names. Each enumeration has its names in a specialisation
// of enum_names, which stands beside the enumeration or in enums.hpp.
#pragma once

#include <array>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>

namespace gamlp {

template <class E>
struct EnumName {
  E value;
  std::string_view name;
};

template <class E>
inline constexpr std::array<EnumName<E>, 0> enum_names{};  // none: not an enumeration of the config

template <class E>
std::string_view name_of(E value) {
  static_assert(std::is_enum_v<E> && !enum_names<E>.empty());
  for (const auto& entry : enum_names<E>) {
    if (entry.value == value) return entry.name;
  }
  throw std::logic_error("an enumeration holds a value without a name");
}

// The schema admits only the names of enum_names. For another name, which means that the two have drifted apart, this
// throws a std::logic_error.
template <class E>
E value_of(std::string_view name) {
  for (const auto& entry : enum_names<E>) {
    if (entry.name == name) return entry.value;
  }
  throw std::logic_error("the schema admits the name \"" + std::string(name) + "\", the program does not know it");
}

}  // namespace gamlp
