#include <chrono>
#include <csignal>
#include <thread>

#include "tests/cli/program.hpp"
#include "tests/support/timeline.hpp"

namespace gamlp::test {
namespace {

// Sends `signal` once the child has written some epochs; false when it ended before.
bool interrupt(Child& child, const fs::path& metrics, int signal) {
  for (int i = 0; i < 2000 && child.running(); ++i) {
    std::error_code missing;
    const auto size = fs::file_size(metrics, missing);
    if (!missing && size > 2000) {
      ::kill(child.pid(), signal);
      return true;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return false;
}

}  // namespace

TEST_CASE("SIGINT and SIGTERM leave a checkpoint, and resume finishes the run") {
  for (const int signal : {SIGINT, SIGTERM}) {
    INFO("signal " << signal);
    const WorkFolder work;
    work.write("long.json", small_config(400));
    Child child(work, {"train", "long.json", "--run", "run"});
    REQUIRE(interrupt(child, work / "run/metrics.jsonl", signal));
    const Outcome stopped = child.wait();
    INFO(stopped.err);
    REQUIRE(stopped.status == 8);
    check_says(stopped.err, "gamlp resume run");
    CHECK_FALSE(fs::is_empty(work / "run/checkpoints"));
    CHECK_FALSE(fs::exists(work / "run/result.json"));

    const Outcome info = run(work, {"info", "run"});
    CHECK(info.status == 0);
    check_says(info.out, "not finished");
    const Outcome early = run(work, {"evaluate", "run"});
    CHECK(early.status == 4);
    check_says(early.err, "gamlp resume run");

    const Outcome resumed = run(work, {"resume", "run", "--trace", "rest.json"});
    INFO(resumed.err);
    CHECK(resumed.status == 0);
    check_says(resumed.out, "test accuracy");
    CHECK(read_timeline(work / "rest.json")["traceEvents"].size() > 1000);
    CHECK(lines_of(file_text(work / "run/metrics.jsonl")).size() == 800);
  }
}

}  // namespace gamlp::test
