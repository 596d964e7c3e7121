// Starts runs of several processes. Reads what a launcher (mpirun, srun) says of this process, and starts the group of
// the processes.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "host/dist/process_group.hpp"

namespace gamlp {

// What the environment says of the job in which a launcher started this process.
struct Launch {
  // Processes of the job. 1: there is no launcher. 0: a launcher has numbered this process, but does not say how many
  // there are.
  int size = 1;
  int rank = 0;
  std::string evidence;       // the variables that say so, "PMI_SIZE=4 and PMI_RANK=2"; empty without a launcher
  std::string launcher;       // which one sets them: "srun"
  std::string command_alone;  // starts gamlp without these variables, and so alone

  // Whether this process may be one of several. MPI has to say whether it is.
  bool together() const { return size != 1; }
};
Launch launch();
// Throws a ConfigError where `launched` says that this process is one of several, but MPI sees it alone: each process
// would train the whole model. `seen` is the number of processes that MPI sees. `mpi` is the name of the MPI library,
// or empty in a build without one.
void expect_company(const Launch& launched, int seen, const std::string& mpi);
// Returns the seconds that starting may take: GAMLP_START_TIMEOUT, or `unset` where the environment says nothing.
double start_timeout(double unset = 120);

// Starts a group. A build with MPI makes such a function known at its start. A signal handler sets `ending` when a
// signal asks this process to end.
using StartGroup = std::unique_ptr<ProcessGroup> (*)(const std::atomic<bool>& ending);
void set_start_group(StartGroup start, std::string (*describe)());
// Shortens what an MPI library says of its version, which may be pages, to one line: "Open MPI v4.1.4", "MPICH 5.0.2".
std::string mpi_name(const std::string& library_version);
// Describes the MPI of this build, or says that there is none.
std::string describe_launching();
// Starts the group of this run. Returns null where this process is alone. Throws a ConfigError where a launcher started
// several processes of a build without MPI.
std::unique_ptr<ProcessGroup> start_group(const std::atomic<bool>& ending);

}  // namespace gamlp
