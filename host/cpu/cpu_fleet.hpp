// The CPU workers of a run, connected by the in-process transport.
#pragma once

#include <memory>

#include "host/device/fleet.hpp"

namespace gamlp {

// `threads`: how many threads the matrix products of each worker use.
std::unique_ptr<Fleet> create_cpu_fleet(int devices, int threads);

}  // namespace gamlp
