#include "host/dist/launch.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <limits>
#include <optional>
#include <sstream>

namespace gamlp {
namespace {

StartGroup g_start = nullptr;
std::string (*g_describe)() = nullptr;

// What a launcher tells its processes; both variables, or it was not this one. A shell of a batch job has one of
// Slurm's two alone, which says nothing of the processes that it starts.
struct Pair {
  const char* size;  // null: this launcher names the job instead, and does not say how large it is
  const char* rank;
  const char* launcher;
};
constexpr const char* kPmixJob = "PMIX_NAMESPACE";

// Launchers of MPI jobs. An inner one may have left what an outer one said: the largest size counts.
constexpr std::array kMpiLaunchers = {
    Pair{"OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK", "Open MPI's mpirun"},
    Pair{"PMI_SIZE", "PMI_RANK", "mpiexec of MPICH or Intel MPI, or srun --mpi=pmi2"},
    Pair{"MPI_LOCALNRANKS", "MPI_LOCALRANKID", "mpiexec of MPICH or Intel MPI"},  // of this host
    Pair{"MV2_COMM_WORLD_SIZE", "MV2_COMM_WORLD_RANK", "MVAPICH's mpirun_rsh"},
    Pair{"JSM_NAMESPACE_SIZE", "JSM_NAMESPACE_RANK", "jsrun"},
    Pair{nullptr, "PMIX_RANK", "prterun"},
};
// What starts tasks of any kind. An mpirun starts its own daemons with them, so that all its processes inherit what was
// said to a daemon: these count only where no launcher of MPI jobs speaks.
constexpr std::array kTaskLaunchers = {
    Pair{"SLURM_STEP_NUM_TASKS", "SLURM_PROCID", "srun"},
    Pair{"SLURM_STEP_NUM_TASKS", "PMIX_RANK", "srun --mpi=pmix"},
    Pair{"PALS_SIZE", "PALS_RANKID", "PALS's mpiexec"},
};

std::optional<int> number_of(const char* variable) {
  const char* text = std::getenv(variable);
  if (text == nullptr || *text < '0' || *text > '9') return std::nullopt;
  return static_cast<int>(std::min(std::strtol(text, nullptr, 10), long{std::numeric_limits<int>::max()}));
}

// Slurm names the jobs of its PMIx server, too, and says elsewhere how large they are.
bool unsized_job() {
  const char* job = std::getenv(kPmixJob);
  return job != nullptr && *job != '\0' && std::string(job).rfind("slurm.", 0) != 0;
}

std::optional<Launch> said_by(const Pair& pair) {
  const std::optional<int> rank = number_of(pair.rank);
  if (!rank) return std::nullopt;
  const std::string numbered = std::string(pair.rank) + "=" + std::to_string(*rank);
  if (pair.size == nullptr) {
    if (!unsized_job()) return std::nullopt;
    return Launch{0, *rank, numbered + " and " + kPmixJob + "=" + std::getenv(kPmixJob), pair.launcher, ""};
  }
  const std::optional<int> size = number_of(pair.size);
  if (!size || *size < 1) return std::nullopt;
  return Launch{*size, *rank, std::string(pair.size) + "=" + std::to_string(*size) + " and " + numbered, pair.launcher,
                ""};
}

// The first of those that speak of most processes. An unknown number yields to any that is said, but for 1 said to a
// rank other than this one's.
template <std::size_t kCount>
std::optional<Launch> said_by_any(const std::array<Pair, kCount>& pairs) {
  std::optional<Launch> most;
  for (const Pair& pair : pairs) {
    const std::optional<Launch> said = said_by(pair);
    if (!said) continue;
    const bool more = most && (said->size > most->size || (said->size == 0 && said->rank > 0 && most->size == 1));
    if (!most || more) most = said;
  }
  return most;
}

// How the processes are to be started so that `mpi` finds them together.
std::string start_line(const std::string& mpi, int size) {
  const std::string count = size > 1 ? std::to_string(size) : "N";
  if (mpi.find("Intel") != std::string::npos) {
    return "`mpiexec.hydra -n " + count + " gamlp …` of Intel MPI, or under Slurm `srun --mpi=pmi2 -n " + count +
           " gamlp …` with I_MPI_PMI_LIBRARY naming Slurm's libpmi2.so";
  }
  if (mpi.find("Open MPI") != std::string::npos) {
    return "`mpirun -np " + count + " gamlp …` of that Open MPI, or under Slurm `srun --mpi=pmix -n " + count +
           " gamlp …`";
  }
  return "`mpiexec -n " + count + " gamlp …` of that MPI, or under Slurm `srun --mpi=pmi2 -n " + count + " gamlp …`";
}

// What has to go from the environment so that no pair is left that speaks of several processes.
std::string command_alone() {
  std::string command = "env";
  const auto leave_out = [&](const Pair& pair) {
    const auto said = said_by(pair);
    if (!said || !said->together()) return;
    const std::string option = std::string(" -u ") + (pair.size == nullptr ? pair.rank : pair.size);
    if (command.find(option) == std::string::npos) command += option;
  };
  std::for_each(kMpiLaunchers.begin(), kMpiLaunchers.end(), leave_out);
  std::for_each(kTaskLaunchers.begin(), kTaskLaunchers.end(), leave_out);
  return command + " gamlp …";
}

}  // namespace

Launch launch() {
  std::optional<Launch> said = said_by_any(kMpiLaunchers);
  if (!said) said = said_by_any(kTaskLaunchers);
  if (!said) return {};
  said->command_alone = command_alone();
  return *said;
}

void expect_company(const Launch& launched, int seen, const std::string& mpi) {
  if (!launched.together() || seen > 1) return;
  // `prterun -np 1`. Only an Open MPI that takes part in prterun's job knows; one that does not has started a job of
  // its own, and says so in the environment.
  const bool takes_part = mpi.find("Open MPI") != std::string::npos && launch().evidence == launched.evidence;
  if (launched.size == 0 && launched.rank == 0 && takes_part) return;
  const std::string count = launched.size > 0 ? std::to_string(launched.size) : "several";
  const std::string said = launched.evidence + " say that this process is one of " + count + " started by " +
                           launched.launcher + ", but this gamlp ";
  const std::string alone = "; a process that is meant to be alone starts with `" + launched.command_alone + "`";
  if (mpi.empty()) {
    throw ConfigError(said +
                      "is built without MPI, so that each would train the whole model: install an MPI "
                      "(libopenmpi-dev openmpi-bin) and build again, or start one process, which takes several devices "
                      "(--devices cpu:" +
                      (launched.size > 0 ? std::to_string(launched.size) : "N") + ")" + alone);
  }
  throw ConfigError(said + "finds no others by its MPI (" + mpi +
                    "), so that each would train the whole model: start "
                    "them with " +
                    start_line(mpi, launched.size) + alone);
}

double start_timeout(double unset) {
  const int seconds = number_of("GAMLP_START_TIMEOUT").value_or(0);
  return seconds > 0 ? seconds : unset;
}

void set_start_group(StartGroup start, std::string (*describe)()) { g_start = start, g_describe = describe; }

std::string mpi_name(const std::string& library_version) {
  std::istringstream words(library_version.substr(0, library_version.find_first_of(",\n")));
  std::string name;
  for (std::string word; words >> word;) {
    if (word != "Version:") name += (name.empty() ? "" : " ") + word;
  }
  return name;
}

std::string describe_launching() { return g_describe == nullptr ? "not in this build" : g_describe(); }

std::unique_ptr<ProcessGroup> start_group(const std::atomic<bool>& ending) {
  const Launch launched = launch();
  if (!launched.together()) return nullptr;
  if (g_start == nullptr) expect_company(launched, 1, "");
  return g_start(ending);
}

}  // namespace gamlp
