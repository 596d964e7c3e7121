// A number as messages show it: the shortest text that reads back as the same number. std::to_string prints 1e300 with
// 300 digits and 1e-9 as 0.
#pragma once

#include <charconv>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <cstdio>
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

// For people: 1234567 → "1,234,567".
inline std::string grouped(std::int64_t value) {
  std::string text = std::to_string(value);
  const std::size_t first = value < 0 ? 1 : 0;
  for (std::size_t i = text.size(); i > first + 3;) text.insert(i -= 3, ",");
  return text;
}
// 4 significant digits: "0.01", "12.5", "1.2e-07"; "-" for what is not finite.
inline std::string short_number(double value) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.4g", value);
  return std::isfinite(value) ? buffer : "-";
}

// 0.7834 → "78.3%"; "-" for NaN.
inline std::string percent_text(double fraction) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.1f%%", 100 * fraction);
  return std::isfinite(fraction) ? buffer : "-";
}
// "12.3 s", "4 min 05 s", "2 h 10 min".
inline std::string human_seconds(double seconds) {
  char buffer[64];
  const long whole = std::lround(seconds);
  if (seconds < 60) {
    std::snprintf(buffer, sizeof buffer, "%.1f s", seconds);
  } else if (whole < 3600) {
    std::snprintf(buffer, sizeof buffer, "%ld min %02ld s", whole / 60, whole % 60);
  } else {
    std::snprintf(buffer, sizeof buffer, "%ld h %02ld min", whole / 3600, whole / 60 % 60);
  }
  return buffer;
}

}  // namespace gamlp
