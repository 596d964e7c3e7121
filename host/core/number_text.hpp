// Numbers as messages show them. number_text() returns the shortest text that reads back as the same number, where
// std::to_string() prints 1e300 with 300 digits and 1e-9 as 0.
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

// Groups the digits for people: 1234567 → "1,234,567".
inline std::string grouped(std::int64_t value) {
  std::string text = std::to_string(value);
  const std::size_t first = value < 0 ? 1 : 0;
  for (std::size_t i = text.size(); i > first + 3;) text.insert(i -= 3, ",");
  return text;
}
// At most 4 significant digits: "0.01", "12.5", "1.2e-07". A number that is not finite gives "-".
inline std::string short_number(double value) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.4g", value);
  return std::isfinite(value) ? buffer : "-";
}

// 0.7834 → "78.3%". A number that is not finite gives "-".
inline std::string percent_text(double fraction) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.1f%%", 100 * fraction);
  return std::isfinite(fraction) ? buffer : "-";
}
// Returns a text like "12.3 s", "4 min 05 s" or "2 h 10 min".
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
