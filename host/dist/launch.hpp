// Runs of several processes: what a launcher (mpirun, srun) says of this process, and what starts their group.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "host/dist/process_group.hpp"

namespace gamlp {

// What the environment says of the job that a launcher started this process in.
struct Launch {
  // Processes of the job; 1 without a launcher, 0 where one has numbered this process but does not say of how many.
  int size = 1;
  int rank = 0;
  std::string evidence;       // the variables that say so, "PMI_SIZE=4 and PMI_RANK=2"; empty without a launcher
  std::string launcher;       // which one sets them: "srun"
  std::string command_alone;  // starts gamlp without what says so

  // This process is not known to be alone: MPI has to say.
  bool together() const { return size != 1; }
};
Launch launch();
// Refuses a process that `launched` says is one of several, and that `mpi` (its library's name; empty: a build without
// one) sees alone: each of them would train the whole model. `seen`: the processes that MPI sees.
void expect_company(const Launch& launched, int seen, const std::string& mpi);
// Seconds that starting may take: GAMLP_START_TIMEOUT, or `unset` where the environment says nothing.
double start_timeout(double unset = 120);

// What a build with MPI makes known at its start; `ending` is set when a signal asks this process to end.
using StartGroup = std::unique_ptr<ProcessGroup> (*)(const std::atomic<bool>& ending);
void set_start_group(StartGroup start, std::string (*describe)());
// What an MPI library says of its version, which may be pages, as one line: "Open MPI v4.1.4", "MPICH 5.0.2".
std::string mpi_name(const std::string& library_version);
// That of this build, or that there is none.
std::string describe_launching();
// Null without. Throws ConfigError where a launcher started several processes of a build that cannot.
std::unique_ptr<ProcessGroup> start_group(const std::atomic<bool>& ending);

}  // namespace gamlp
