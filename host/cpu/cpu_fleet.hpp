// The fleet of a run on CPU workers, which the transport of local_transport.hpp connects.
#pragma once

#include <memory>

#include "host/device/fleet.hpp"

namespace gamlp {

// `threads` is how many threads the matrix products of each worker use.
std::unique_ptr<Fleet> create_cpu_fleet(int devices, int threads);

}  // namespace gamlp
