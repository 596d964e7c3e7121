// Time: seconds by the monotonic clock, and the date.
#pragma once

#include <array>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <string>

namespace gamlp {

using Clock = std::chrono::steady_clock;

inline double seconds_between(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}
// Seconds on the clock that timelines use.
inline double seconds_now() { return std::chrono::duration<double>(Clock::now().time_since_epoch()).count(); }
inline std::string seconds_text(double seconds) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%g s", seconds);
  return text.data();
}
inline double seconds_since(Clock::time_point from) { return seconds_between(from, Clock::now()); }

// Today's date in UTC, for instance "2026-11-25".
inline std::string date_today() {
  const std::time_t now = std::time(nullptr);
  std::array<char, 16> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%d", std::gmtime(&now));
  return text.data();
}

}  // namespace gamlp
