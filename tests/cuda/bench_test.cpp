// gamlp bench and gamlp train from the command line, on the stand-in.
#include <cstdio>
#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "cuda/accelerator.hpp"
#include "host/cli/commands.hpp"
#include "tests/cuda/fake_cuda.hpp"
#include "tests/train/support.hpp"

namespace gamlp::test {
namespace {

// What the program prints; its exit status in `status`.
std::string printed(std::vector<std::string> arguments, const std::filesystem::path& file, int& status) {
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  std::fflush(stdout);
  const int kept = ::dup(1), to = ::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  ::dup2(to, 1);
  status = cli::run_program(static_cast<int>(argv.size()), argv.data());
  std::fflush(stdout);
  ::dup2(kept, 1);
  ::close(kept);
  ::close(to);
  return read_file(file);
}

}  // namespace

TEST_CASE("bench measures GPUs, several sets of them in turns") {
  use_cuda();
  fake_cuda::reset({});
  const ScratchFolder scratch;
  const std::string config = (scratch / "config.json").string();
  write_file_atomic(config, to_json(small_config({"stages.0.epochs=2", "stages.1.epochs=2"})).dump());
  int status = -1;
  const auto report = nlohmann::json::parse(printed(
      {"gamlp", "bench", config, "--devices", "cuda:0,cuda:0,1,cpu:2", "--iterations", "4", "--rounds", "1", "--json"},
      scratch / "out", status));
  CHECK(status == 0);
  REQUIRE(report["devices"].size() == 3);
  CHECK(report["devices"][0]["named"] == "cuda:0");
  CHECK(report["devices"][1]["named"] == "cuda:0,1");
  CHECK(report["devices"][1]["devices"] == 2);
  CHECK(report["devices"][1]["bytes_per_iteration"] > 0);
  CHECK(report["devices"][2]["named"] == "cpu:2");
  for (const auto& entry : report["devices"]) {
    CHECK(entry["iteration_seconds"] > 0);
    CHECK(entry["floor_seconds"] > 0);
  }
  CHECK(fake_cuda::counts().misuse == "");
  CHECK(fake_cuda::counts().live == 0);
}

}  // namespace gamlp::test
