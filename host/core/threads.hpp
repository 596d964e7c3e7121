// How many threads a process may run at once.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <thread>

namespace gamlp {

inline constexpr const char* kThreadsVariable = "OMP_NUM_THREADS";

// The cores of this machine, or fewer where OMP_NUM_THREADS says so, as batch systems do: its first number ("4",
// "4,2"). Anything else in it is ignored.
inline int hardware_threads() {
  const int cores = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  const char* text = std::getenv(kThreadsVariable);
  char* end = nullptr;
  const long given = text != nullptr ? std::strtol(text, &end, 10) : 0;
  const bool valid = given >= 1 && (*end == '\0' || *end == ',');
  return valid ? static_cast<int>(std::min<long>(cores, given)) : cores;
}

}  // namespace gamlp
