// Seconds by the monotonic clock.
#pragma once

#include <array>
#include <chrono>
#include <cstdio>
#include <string>

namespace gamlp {

using Clock = std::chrono::steady_clock;

inline double seconds_between(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}
// On the clock of timelines.
inline double seconds_now() { return std::chrono::duration<double>(Clock::now().time_since_epoch()).count(); }
inline std::string seconds_text(double seconds) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%g s", seconds);
  return text.data();
}
inline double seconds_since(Clock::time_point from) { return seconds_between(from, Clock::now()); }

}  // namespace gamlp
