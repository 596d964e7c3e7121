#include "host/dist/launch.hpp"

#include <cstdlib>

namespace gamlp {
namespace {

StartGroup g_start = nullptr;
std::string (*g_describe)() = nullptr;

// −1 where it is not set.
int number_of(const char* variable) {
  const char* text = std::getenv(variable);
  return text == nullptr || *text == '\0' ? -1 : std::atoi(text);
}

}  // namespace

Launch launch() {
  // Open MPI's mpirun; MPICH's, and srun --mpi=pmi2; srun --mpi=pmix.
  for (const auto& [size, rank] : {std::pair{"OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"},
                                   {"PMI_SIZE", "PMI_RANK"},
                                   {"SLURM_STEP_NUM_TASKS", "PMIX_RANK"}}) {
    if (number_of(size) >= 1 && number_of(rank) >= 0) return {number_of(size), number_of(rank)};
  }
  return {};
}

double start_timeout(double unset) {
  const int seconds = number_of("GAMLP_START_TIMEOUT");
  return seconds > 0 ? seconds : unset;
}

void set_start_group(StartGroup start, std::string (*describe)()) { g_start = start, g_describe = describe; }

std::string describe_launching() { return g_describe == nullptr ? "not in this build" : g_describe(); }

std::unique_ptr<ProcessGroup> start_group(const std::atomic<bool>& ending) {
  const int size = launch().size;
  if (size == 1) return nullptr;
  if (g_start == nullptr) {
    throw ConfigError(std::to_string(size) +
                      " processes were started together, but this gamlp is built without MPI: install it "
                      "(libopenmpi-dev openmpi-bin) and build again, or start one process, which takes several devices "
                      "(--devices cpu:" +
                      std::to_string(size) + ")");
  }
  return g_start(ending);
}

}  // namespace gamlp
