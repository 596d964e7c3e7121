// How many threads this machine runs at once.
#pragma once

#include <algorithm>
#include <thread>

namespace gamlp {

inline int hardware_threads() { return std::max(1, static_cast<int>(std::thread::hardware_concurrency())); }

}  // namespace gamlp
