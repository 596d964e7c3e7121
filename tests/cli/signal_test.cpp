#include <chrono>
#include <csignal>
#include <fstream>
#include <iterator>
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

// Waits until the child is gamlp, no longer a copy of the test, and has a handler for the signal; false when it ended
// before.
bool comes_to_catch(Child& child, int signal) {
  const std::string key = "SigCgt:\t";
  const fs::path process = "/proc/" + std::to_string(child.pid());
  for (int i = 0; i < 2000 && child.running(); ++i) {
    std::error_code error;
    const bool is_gamlp = fs::equivalent(process / "exe", GAMLP_PROGRAM, error);
    std::ifstream file(process / "status");
    const std::string status((std::istreambuf_iterator<char>(file)), {});
    const std::size_t at = status.find(key);
    if (is_gamlp && at != std::string::npos &&
        (std::stoull(status.substr(at + key.size()), nullptr, 16) >> (signal - 1) & 1) != 0) {
      return true;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return false;
}

}  // namespace

TEST_CASE("SIGINT, SIGTERM and SIGHUP leave a checkpoint, and resume finishes the run") {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
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

TEST_CASE("a training that nohup started goes on when the terminal closes") {
  const WorkFolder work;
  work.write("long.json", small_config(400));
  Child child(work, {"nohup", GAMLP_PROGRAM, "train", "long.json", "--run", "run"}, RLIM_INFINITY, "nohup");
  REQUIRE(interrupt(child, work / "run/metrics.jsonl", SIGHUP));
  CHECK(child.wait().status == 0);
  CHECK(fs::exists(work / "run/result.json"));
}

TEST_CASE("a signal during set-up ends the program within a second, and nothing is left of the run") {
  // Propagation alone takes far longer than the test waits.
  const char* config = R"({"dataset": {"generate": {"nodes": 60000, "classes": 3, "features": 600, "mean_degree": 40},
    "hops": 32, "split": {"kind": "per_class", "train_per_class": 15, "validation": 40, "test": 80}},
    "model": {"width": 12}, "devices": "cpu:1", "stages": [{"layers": 2, "epochs": 3}]})";
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    INFO("signal " << signal);
    const WorkFolder work;
    work.write("large.json", config);
    Child child(work, {"train", "large.json", "--run", "new/run"});
    REQUIRE(comes_to_catch(child, signal));
    if (signal == SIGINT) std::this_thread::sleep_for(std::chrono::milliseconds(1000));
    REQUIRE(child.running());
    ::kill(child.pid(), signal);
    const auto start = std::chrono::steady_clock::now();
    const Outcome stopped = child.wait();
    CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(1));
    CHECK(stopped.status == 8);
    check_says(stopped.err, "stopped before the first epoch; there is nothing to resume");
    CHECK_FALSE(fs::exists(work / "new/run"));
  }
}

TEST_CASE("a signal during the set-up of a resumed run leaves the run as it was") {
  const WorkFolder work;
  work.write("long.json", small_config(400));
  Child child(work, {"train", "long.json", "--run", "run", "--set", "train.checkpoint_every=5"});
  REQUIRE(interrupt(child, work / "run/metrics.jsonl", SIGTERM));
  REQUIRE(child.wait().status == 8);
  const std::string config = file_text(work / "run/config.json");
  for (int i = 0; i < 6; ++i) {  // wherever it is
    Child resumed(work, {"resume", "run"});
    REQUIRE(comes_to_catch(resumed, SIGTERM));
    std::this_thread::sleep_for(std::chrono::milliseconds(4 * i));
    ::kill(resumed.pid(), SIGTERM);
    const Outcome outcome = resumed.wait();
    INFO(outcome.err);
    REQUIRE(outcome.status == 8);
    check_says(outcome.err, "gamlp resume run");
    CHECK(nlohmann::json::parse(file_text(work / "run/state.json"))["state"] == "interrupted");
    CHECK_FALSE(fs::exists(work / "run/lock"));
  }
  CHECK(file_text(work / "run/config.json") == config);
  CHECK(run(work, {"resume", "run", "--quiet"}).status == 0);
  CHECK(lines_of(file_text(work / "run/metrics.jsonl")).size() == 800);
}

}  // namespace gamlp::test
