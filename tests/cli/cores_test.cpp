// One worker computes the same bits on one core as on all: its libraries take the threads that it gives them, no more.
#include <sched.h>

#include "tests/cli/program.hpp"

using namespace gamlp::test;
namespace fs = std::filesystem;

namespace {

// One of those that this process may use.
std::string a_core() {
  cpu_set_t cores;
  REQUIRE(::sched_getaffinity(0, sizeof cores, &cores) == 0);
  int core = 0;
  while (!CPU_ISSET(core, &cores)) ++core;
  return std::to_string(core);
}

}  // namespace

TEST_CASE("the bits of a worker do not depend on the cores that it may use") {
  const WorkFolder work;
  // Products of sizes that a library would part among threads, over the nodes and over the inputs.
  work.write("wide.json", R"({"dataset": {"generate": {"nodes": 4000, "classes": 5, "features": 300}, "hops": 2,
              "split": {"kind": "per_class", "train_per_class": 400, "validation": 200, "test": 400}},
  "model": {"width": 200}, "devices": "cpu:1", "stages": [{"layers": 3, "epochs": 4}]})");
  // oneDNN's AVX2 products are those whose bits depend on the number of threads.
  for (const auto& [update, instructions] : {std::pair{"gradient", "ALL"}, {"gradient", "AVX2"}, {"exact", "AVX2"}}) {
    ::setenv("ONEDNN_MAX_CPU_ISA", instructions, 1);
    const std::string method = std::string("method.update=") + update;
    const auto train = [&](std::vector<std::string> command, const char* run) {
      const std::string launcher = command.front();
      for (const char* word :
           {program().c_str(), "train", "wide.json", "--quiet", "--set", method.c_str(), "--run", run}) {
        command.emplace_back(word);
      }
      const Outcome trained = Child(work, command, RLIM_INFINITY, launcher.c_str()).wait();
      INFO(trained.err);
      REQUIRE(trained.status == 0);
    };
    train({"env"}, "all");
    train({"taskset", "-c", a_core()}, "one");
    INFO(update << ", " << instructions);
    CHECK(file_text(work / "all/best.safetensors") == file_text(work / "one/best.safetensors"));
    fs::remove_all(work / "all");
    fs::remove_all(work / "one");
  }
  ::unsetenv("ONEDNN_MAX_CPU_ISA");
}
