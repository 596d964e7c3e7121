// Seconds by the monotonic clock.
#pragma once

#include <chrono>

namespace gamlp {

using Clock = std::chrono::steady_clock;

inline double seconds_between(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}
// On the clock of timelines.
inline double seconds_now() { return std::chrono::duration<double>(Clock::now().time_since_epoch()).count(); }
inline double seconds_since(Clock::time_point from) { return seconds_between(from, Clock::now()); }

}  // namespace gamlp
