// Measures what the ops of the iteration cost on this machine's CPU workers. It runs real iterations of small stages,
// and times each op.
#pragma once

#include <functional>
#include <string>

#include "host/plan/machine.hpp"
#include "host/plan/plan.hpp"

namespace gamlp {

// Takes some minutes. `progress` receives a line for each setting. `quick` takes few and small settings, for tests.
Machine measure_machine(int threads_per_device, bool quick, const std::function<void(const std::string&)>& progress);
// Measures only what the last stage of one config needs, at its very sizes, on inputs of random numbers. Takes seconds
// where an iteration takes less than one. Throws ConfigError when it does not fit this machine's memory.
Machine measure_machine(const PlanSubject& subject);

// "AMD EPYC", as the system names it.
std::string processor_name();

}  // namespace gamlp
