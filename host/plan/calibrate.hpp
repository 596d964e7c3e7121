// Measures what the ops of the iteration cost on this machine's CPU workers: real iterations of small stages, op by op.
#pragma once

#include <functional>
#include <string>

#include "host/plan/machine.hpp"
#include "host/plan/plan.hpp"

namespace gamlp {

// `progress` receives a line for each setting. Takes some minutes. `quick`: few and small settings, for tests.
Machine measure_machine(int threads_per_device, bool quick, const std::function<void(const std::string&)>& progress);
// Only what the last stage of one config needs, at its very sizes, on inputs of random numbers: seconds, where an
// iteration takes less than one. Throws ConfigError when it does not fit this machine's memory.
Machine measure_machine(const PlanSubject& subject);

// "AMD EPYC", as the system names it.
std::string processor_name();

}  // namespace gamlp
