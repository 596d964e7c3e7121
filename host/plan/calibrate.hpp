// Measures what the ops of the iteration cost on this machine's CPU workers: real iterations of small stages, op by op.
#pragma once

#include <functional>
#include <string>

#include "host/plan/machine.hpp"

namespace gamlp {

// `progress` receives a line for each setting. Takes some minutes. `quick`: few and small settings, for tests.
Machine measure_machine(int threads_per_device, bool quick, const std::function<void(const std::string&)>& progress);

}  // namespace gamlp
