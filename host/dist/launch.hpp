// Runs of several processes: what a launcher (mpirun, srun) says of this process, and what starts their group.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "host/dist/process_group.hpp"

namespace gamlp {

// Processes of the job that a launcher started this one in, and this one's rank, by the environment; 1 and 0 without.
struct Launch {
  int size = 1, rank = 0;
};
Launch launch();
// Seconds that starting may take: GAMLP_START_TIMEOUT, or `unset` where the environment says nothing.
double start_timeout(double unset = 120);

// What a build with MPI makes known at its start; `ending` is set when a signal asks this process to end.
using StartGroup = std::unique_ptr<ProcessGroup> (*)(const std::atomic<bool>& ending);
void set_start_group(StartGroup start, std::string (*describe)());
// "Open MPI v4.1.4", or that there is none.
std::string describe_launching();
// Null without. Throws ConfigError where a launcher started several processes of a build that cannot.
std::unique_ptr<ProcessGroup> start_group(const std::atomic<bool>& ending);

}  // namespace gamlp
