#include "tests/cli/program.hpp"

namespace gamlp::test {

TEST_CASE("help and version") {
  const WorkFolder work;
  const Outcome all = run(work, {"--help"});
  CHECK(all.status == 0);
  check_says(all.out, "Exit status");
  for (const char* name : {"train", "resume", "evaluate", "predict", "info", "generate", "bench", "plan"}) {
    INFO(name);
    check_says(all.out, name);
    const Outcome one = run(work, {name, "--help"});
    CHECK(one.status == 0);
    CHECK(one.err.empty());
    check_says(one.out, "Usage:");
    CHECK(one.out.find('\x1b') == std::string::npos);
  }
  for (const char* name : {"evaluate", "predict", "info", "generate"}) {
    check_says(run(work, {name, "--help"}).out, std::string("gamlp ") + name);
  }
  const Outcome version = run(work, {"--version"});
  CHECK(version.status == 0);
  CHECK(version.out.rfind("gamlp ", 0) == 0);
  check_says(version.out, "CPU linear algebra");
}

TEST_CASE("a wrong command line ends with 2") {
  const WorkFolder work;
  const std::vector<std::vector<std::string>> wrong = {
      {},
      {"trane", "x.json"},
      {"train"},
      {"train", "x.json", "--no-such-option"},
      {"evaluate"},
      {"generate", "graph.csv"},
      {"generate", "graph.npz", "--nodes", "many"},
      {"generate", "graph.npz", "--shape", "cora", "--nodes", "5"},
      {"predict", "run", "--output", "out.txt"},
  };
  for (const auto& arguments : wrong) {
    std::string line;
    for (const std::string& argument : arguments) line += argument + " ";
    INFO("gamlp " << line);
    const Outcome outcome = run(work, arguments);
    CHECK(outcome.status == 2);
    CHECK_FALSE(outcome.err.empty());
    CHECK(outcome.out.empty());
  }
}

}  // namespace gamlp::test
