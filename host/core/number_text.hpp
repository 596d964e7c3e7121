// A number as messages show it: the shortest text that reads back as the same number. std::to_string prints 1e300 with
// 300 digits and 1e-9 as 0.
#pragma once

#include <charconv>
#include <concepts>
#include <string>

namespace gamlp {

template <std::floating_point T>
std::string number_text(T value) {
  char buffer[40];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value);
  return {buffer, end.ptr};
}
template <std::integral T>
std::string number_text(T value) {
  return std::to_string(value);
}

}  // namespace gamlp
