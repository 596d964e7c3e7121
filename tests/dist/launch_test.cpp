// What the environment of a launcher says of a process, and what is refused when MPI sees it alone.
#include "host/dist/launch.hpp"

#include <cstdlib>
#include <map>
#include <optional>

#include "tests/train/support.hpp"

using namespace gamlp;
using namespace gamlp::test;

namespace {

using Variables = std::map<std::string, std::string>;

// These variables and no others of a launcher, until it goes.
class Environment {
 public:
  explicit Environment(const Variables& variables) {
    for (const char* name :
         {"OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK", "PMI_SIZE", "PMI_RANK", "MPI_LOCALNRANKS", "MPI_LOCALRANKID",
          "MV2_COMM_WORLD_SIZE", "MV2_COMM_WORLD_RANK", "JSM_NAMESPACE_SIZE", "JSM_NAMESPACE_RANK", "PMIX_RANK",
          "PMIX_NAMESPACE", "SLURM_STEP_NUM_TASKS", "SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID", "PALS_SIZE",
          "PALS_RANKID", "GAMLP_START_TIMEOUT"}) {
      const char* value = std::getenv(name);
      before_[name] = value == nullptr ? std::nullopt : std::optional<std::string>(value);
      ::unsetenv(name);
    }
    for (const auto& [name, value] : variables) {
      REQUIRE(before_.count(name) == 1);
      ::setenv(name.c_str(), value.c_str(), 1);
    }
  }
  ~Environment() {
    for (const auto& [name, value] : before_) {
      if (value) {
        ::setenv(name.c_str(), value->c_str(), 1);
      } else {
        ::unsetenv(name.c_str());
      }
    }
  }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

 private:
  std::map<std::string, std::optional<std::string>> before_;
};

constexpr int kUnknown = 0;
constexpr const char* kOpenMpi = "Open MPI v5.0.11";
constexpr const char* kMpich = "MPICH 5.0.2";

struct Case {
  const char* what;
  Variables variables;
  int size, rank;
};

}  // namespace

TEST_CASE("a launcher is known by its environment, and what is left of one is not a launcher") {
  const std::string prterun = "prterun-host-13586@1", slurm = "slurm.pmix.12.0";
  const std::vector<Case> cases = {
      {"no launcher", {}, 1, 0},
      {"Open MPI 4, mpirun",
       {{"OMPI_COMM_WORLD_SIZE", "2"}, {"OMPI_COMM_WORLD_RANK", "1"}, {"PMIX_RANK", "1"}, {"PMIX_NAMESPACE", "15062"}},
       2,
       1},
      {"Open MPI 5, mpirun",
       {{"OMPI_COMM_WORLD_SIZE", "2"}, {"OMPI_COMM_WORLD_RANK", "1"}, {"PMIX_RANK", "1"}, {"PMIX_NAMESPACE", prterun}},
       2,
       1},
      {"Open MPI, one process",
       {{"OMPI_COMM_WORLD_SIZE", "1"}, {"OMPI_COMM_WORLD_RANK", "0"}, {"PMIX_RANK", "0"}, {"PMIX_NAMESPACE", prterun}},
       1,
       0},
      {"PRRTE, prterun", {{"PMIX_RANK", "3"}, {"PMIX_NAMESPACE", prterun}}, kUnknown, 3},
      {"prterun in a process that mpirun -np 1 started",
       {{"OMPI_COMM_WORLD_SIZE", "1"}, {"OMPI_COMM_WORLD_RANK", "0"}, {"PMIX_RANK", "3"}, {"PMIX_NAMESPACE", prterun}},
       kUnknown,
       3},
      {"prterun in a shell of one task",
       {{"PMIX_RANK", "3"}, {"PMIX_NAMESPACE", prterun}, {"SLURM_STEP_NUM_TASKS", "1"}, {"SLURM_PROCID", "0"}},
       kUnknown,
       3},
      {"MPICH and Intel MPI, mpiexec",
       {{"PMI_SIZE", "4"}, {"PMI_RANK", "2"}, {"MPI_LOCALNRANKS", "2"}, {"MPI_LOCALRANKID", "0"}},
       4,
       2},
      {"only the processes of a host", {{"MPI_LOCALNRANKS", "3"}, {"MPI_LOCALRANKID", "1"}}, 3, 1},
      {"MVAPICH", {{"MV2_COMM_WORLD_SIZE", "4"}, {"MV2_COMM_WORLD_RANK", "0"}}, 4, 0},
      {"jsrun", {{"JSM_NAMESPACE_SIZE", "4"}, {"JSM_NAMESPACE_RANK", "3"}}, 4, 3},
      {"PALS", {{"PALS_SIZE", "4"}, {"PALS_RANKID", "1"}}, 4, 1},
      {"Slurm without PMI, srun", {{"SLURM_STEP_NUM_TASKS", "4"}, {"SLURM_PROCID", "2"}, {"SLURM_NTASKS", "4"}}, 4, 2},
      {"Slurm, srun --mpi=pmi2",
       {{"SLURM_STEP_NUM_TASKS", "4"}, {"SLURM_PROCID", "2"}, {"PMI_SIZE", "4"}, {"PMI_RANK", "2"}},
       4,
       2},
      {"Slurm, srun --mpi=pmix",
       {{"SLURM_STEP_NUM_TASKS", "4"}, {"SLURM_PROCID", "2"}, {"PMIX_RANK", "2"}, {"PMIX_NAMESPACE", slurm}},
       4,
       2},
      {"Slurm, one task", {{"SLURM_STEP_NUM_TASKS", "1"}, {"SLURM_PROCID", "0"}}, 1, 0},
      {"mpirun -np 1 by a daemon that is a task of its own step",
       {{"OMPI_COMM_WORLD_SIZE", "1"},
        {"OMPI_COMM_WORLD_RANK", "0"},
        {"SLURM_STEP_NUM_TASKS", "3"},
        {"SLURM_PROCID", "0"}},
       1,
       0},
      {"the shell of a batch job", {{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "4"}, {"SLURM_LOCALID", "0"}}, 1, 0},
      {"one half of Slurm's pair", {{"SLURM_STEP_NUM_TASKS", "4"}}, 1, 0},
      {"one half of Open MPI's", {{"OMPI_COMM_WORLD_SIZE", "4"}}, 1, 0},
      {"the other half", {{"PMI_RANK", "1"}}, 1, 0},
      {"a number without a job", {{"PMIX_RANK", "1"}}, 1, 0},
      {"a job without a number", {{"PMIX_NAMESPACE", prterun}}, 1, 0},
      {"no numbers", {{"PMI_SIZE", ""}, {"PMI_RANK", "x"}}, 1, 0},
      {"-1 for none", {{"PMI_SIZE", "-1"}, {"PMI_RANK", "-1"}}, 1, 0},
  };
  for (const Case& c : cases) {
    INFO(c.what);
    const Environment environment(c.variables);
    const Launch said = launch();
    CHECK(said.size == c.size);
    CHECK(said.rank == c.rank);
    CHECK(said.together() == (c.size != 1));
    std::atomic<bool> ending{false};
    if (c.size == 1) {
      CHECK(start_group(ending) == nullptr);
    } else {  // this test is a program without MPI
      check_says(error_of<ConfigError>([&] { start_group(ending); }), "but this gamlp is built without MPI");
    }
    // Whatever the MPI, several processes that see each other are a group; each alone is refused.
    expect_company(said, 4, kMpich);
    if (c.size == 1) {
      expect_company(said, 1, kMpich);
    } else {
      check_says(error_of<ConfigError>([&] { expect_company(said, 1, kMpich); }), "finds no others by its MPI");
      check_says(error_of<ConfigError>([&] { expect_company(said, 1, kOpenMpi); }), "finds no others by its MPI");
    }
  }
}

TEST_CASE("prterun may start one process") {
  const Environment environment(Variables{{"PMIX_RANK", "0"}, {"PMIX_NAMESPACE", "prterun-host-1@1"}});
  const Launch said = launch();
  expect_company(said, 1, kOpenMpi);
  {  // an Open MPI that is too old for prterun's job
    const Environment own(Variables{{"PMIX_RANK", "0"}, {"PMIX_NAMESPACE", "1527578625"}});
    check_says(error_of<ConfigError>([&] { expect_company(said, 1, kOpenMpi); }), "is one of several");
  }
  // An MPI that does not know PMIx sees every process of prterun's alone.
  check_says(error_of<ConfigError>([] { expect_company(launch(), 1, kMpich); }),
             "is one of several started by prterun");
}

TEST_CASE("the refusal names what says so, the right launcher, and how a process is alone") {
  const Environment environment(Variables{{"SLURM_STEP_NUM_TASKS", "4"}, {"SLURM_PROCID", "2"}});
  const auto refusal = [](const std::string& mpi) {
    return error_of<ConfigError>([&] { expect_company(launch(), 1, mpi); });
  };
  check_says(refusal(kOpenMpi), "SLURM_STEP_NUM_TASKS=4 and SLURM_PROCID=2 say that this process is one of 4");
  check_says(refusal(kOpenMpi), "started by srun, but this gamlp finds no others by its MPI (Open MPI v5.0.11)");
  check_says(refusal(kOpenMpi),
             "`mpirun -np 4 gamlp …` of that Open MPI, or under Slurm `srun --mpi=pmix -n 4 gamlp …`");
  check_says(refusal(kOpenMpi), "starts with `env -u SLURM_STEP_NUM_TASKS gamlp …`");
  check_says(refusal(kMpich), "`mpiexec -n 4 gamlp …` of that MPI, or under Slurm `srun --mpi=pmi2 -n 4 gamlp …`");
  check_says(refusal("Intel(R) MPI Library 2021.19"), "`mpiexec.hydra -n 4 gamlp …` of Intel MPI");
  check_says(refusal(""), "or start one process, which takes several devices (--devices cpu:4)");
  const Environment hydra(
      Variables{{"PMI_SIZE", "2"}, {"PMI_RANK", "1"}, {"MPI_LOCALNRANKS", "2"}, {"MPI_LOCALRANKID", "1"}});
  check_says(refusal(kOpenMpi), "starts with `env -u PMI_SIZE -u MPI_LOCALNRANKS gamlp …`");
}

TEST_CASE("GAMLP_START_TIMEOUT says how long starting may take") {
  {
    const Environment environment(Variables{{"GAMLP_START_TIMEOUT", "7"}});
    CHECK(start_timeout() == 7);
  }
  for (const char* text : {"", "0", "-3", "soon"}) {
    const Environment environment(Variables{{"GAMLP_START_TIMEOUT", text}});
    CHECK(start_timeout(30) == 30);
  }
}

TEST_CASE("an MPI library has a name of one line") {
  CHECK(mpi_name("Open MPI v4.1.4, package: Debian OpenMPI, ident: 4.1.4, repo rev: v4.1.4, May 26, 2022") ==
        "Open MPI v4.1.4");
  CHECK(mpi_name("MPICH Version:      5.0.2\nMPICH Release date: Thu May\nMPICH ABI: 17:3:5\n") == "MPICH 5.0.2");
  CHECK(mpi_name("MPICH Version:\t4.0.2\nMPICH Release date:\tThu Apr  7") == "MPICH 4.0.2");
  CHECK(mpi_name("Intel(R) MPI Library 2021.19.0 for Linux* OS\n") == "Intel(R) MPI Library 2021.19.0 for Linux* OS");
  CHECK(mpi_name("").empty());
}
