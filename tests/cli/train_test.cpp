#include <fcntl.h>
#include <sys/stat.h>

#include "tests/cli/program.hpp"

namespace gamlp::test {

TEST_CASE("train prints a plain table and writes the run folder") {
  const WorkFolder work;
  work.write("small.json", small_config());
  const Outcome outcome = run(work, {"train", "small.json"});
  INFO(outcome.err);
  REQUIRE(outcome.status == 0);
  check_says(outcome.out, "test accuracy");
  check_says(outcome.out, "run folder: runs/small");
  CHECK(outcome.out.find('\x1b') == std::string::npos);
  CHECK(outcome.out.find('\r') == std::string::npos);
  for (const char* name : {"config.json", "metrics.jsonl", "result.json", "best.safetensors"}) {
    CHECK(fs::is_regular_file(work / "runs/small" / name));
  }
  check_says(run(work, {"train", "small.json", "--quiet"}).out, "run folder: runs/small-2");
  const Outcome taken = run(work, {"train", "small.json", "--run", "runs/small"});
  CHECK(taken.status == 5);
  check_says(taken.err, "holds a run already");
  const Outcome finished = run(work, {"resume", "runs/small"});
  CHECK(finished.status == 3);
  check_says(finished.err, "the run is finished");
}

TEST_CASE("--quiet prints the result only; --json prints JSON lines only") {
  const WorkFolder work;
  work.write("small.json", small_config());
  const Outcome quiet = run(work, {"train", "small.json", "--run", "quiet", "--quiet"});
  REQUIRE(quiet.status == 0);
  CHECK(quiet.out.find("epoch 1/") == std::string::npos);
  const Outcome json = run(work, {"train", "small.json", "--run", "json", "--json"});
  REQUIRE(json.status == 0);
  const auto lines = lines_of(json.out);
  REQUIRE(lines.size() == 17);
  for (const std::string& line : lines) CHECK(nlohmann::json::parse(line, nullptr, false).is_object());
  CHECK(nlohmann::json::parse(lines[0])["epoch"] == 1);
  CHECK(nlohmann::json::parse(lines[16]) == nlohmann::json::parse(file_text(work / "json/result.json")));
}

TEST_CASE("--set and --devices override the config") {
  const WorkFolder work;
  work.write("small.json", small_config());
  const Outcome outcome = run(work, {"train", "small.json", "--run", "run", "--quiet", "--set", "method.nu=0.5", "--set",
                                     "stages.1.epochs=3", "--devices", "cpu:1"});
  INFO(outcome.err);
  REQUIRE(outcome.status == 0);
  const auto config = nlohmann::json::parse(file_text(work / "run/config.json"));
  CHECK(config["method"]["nu"] == 0.5);
  CHECK(config["stages"][1]["epochs"] == 3);
  CHECK(config["devices"] == "cpu:1");
}

TEST_CASE("errors end with their documented status and say what is wrong") {
  const WorkFolder work;
  work.write("small.json", small_config());
  work.write("typo.json", R"({"dataset": {"generate": {}}, "model": {"widht": 3}})");
  work.write("broken.json", "{\"model\": ");
  work.write("missing.json", R"({"dataset": {"path": "nowhere.npz"}})");
  work.write("damaged.json", R"({"dataset": {"path": "damaged.npz"}})");
  work.write("damaged.npz", "this is no archive");
  struct Case {
    std::vector<std::string> arguments;
    int status;
    const char* says;
  };
  const std::vector<Case> cases = {
      {{"train", "typo.json"}, 3, "did you mean"},
      {{"train", "typo.json"}, 3, "model"},
      {{"train", "broken.json"}, 3, "broken.json:1:"},
      {{"train", "none.json"}, 4, "none.json"},
      {{"train", "small.json", "--set", "model.width=-4"}, 3, "model.width"},
      {{"train", "small.json", "--set", "nonsense"}, 3, "nonsense"},
      {{"train", "small.json", "--devices", "cpu:99"}, 3, "99"},
      {{"train", "missing.json"}, 4, "nowhere.npz"},
      {{"train", "damaged.json"}, 4, "damaged.npz"},
      {{"train", "small.json", "--run", "/proc/run"}, 5, "/proc/run"},
      {{"train", "small.json", "--run", "small.json/run"}, 5, "small.json/run"},
      {{"train", "small.json", "--set", "method.init_scale_first=1e30"}, 7, "diverged"},
      {{"resume", "nowhere"}, 4, "not a run folder"},
      {{"evaluate", "nowhere"}, 4, "not a run folder"},
      {{"predict", "nowhere"}, 4, "not a run folder"},
      {{"info", "nowhere"}, 4, "no such file"},
      {{"info", "damaged.npz"}, 4, "damaged.npz"},
      {{"info", "typo.json"}, 3, "did you mean"},
  };
  for (const Case& one : cases) {
    INFO("gamlp " << one.arguments[0] << " " << one.arguments[1]);
    const Outcome outcome = run(work, one.arguments);
    INFO(outcome.out << outcome.err);
    CHECK(outcome.status == one.status);
    check_says(outcome.err, one.says);
    CHECK(outcome.err.rfind("gamlp: ", 0) == 0);
  }
}

}  // namespace gamlp::test
