// Run folders that several processes want, that processes were killed in, and that say how their runs ended.
#include <chrono>
#include <thread>

#include "tests/cli/program.hpp"

namespace gamlp::test {
namespace {

using nlohmann::json;

// Waits until the run in the folder has written `lines` lines of metrics; false when the child ended before.
bool has_trained(Child& child, const fs::path& run, std::size_t lines = 3) {
  for (int i = 0; i < 4000 && child.running(); ++i) {
    if (lines_of(file_text(run / "metrics.jsonl")).size() >= lines) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(3));
  }
  return false;
}

void kill_hard(Child& child) {
  ::kill(child.pid(), SIGKILL);
  child.wait();
}

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) names.push_back(entry.path().filename().string());
  return names;
}

bool holds(const std::vector<std::string>& names, const std::string& part) {
  return std::any_of(names.begin(), names.end(),
                     [&](const auto& name) { return name.find(part) != std::string::npos; });
}

}  // namespace

TEST_CASE("of trainings that start at once in one folder one trains, and the others are refused") {
  const WorkFolder work;
  work.write("small.json", small_config(300));
  std::vector<std::unique_ptr<WorkFolder>> outputs;
  std::vector<std::unique_ptr<Child>> children;
  for (int i = 0; i < 5; ++i) {
    outputs.push_back(std::make_unique<WorkFolder>());
    const std::vector<std::string> arguments = {"train", (work / "small.json").string(),
                                                "--run", (work / "run").string(),
                                                "--set", "train.seed=" + std::to_string(i)};
    children.push_back(std::make_unique<Child>(*outputs.back(), arguments));
  }
  int trained = 0, seed = -1;
  for (int i = 0; i < 5; ++i) {
    const Outcome outcome = children[static_cast<std::size_t>(i)]->wait();
    INFO(outcome.out << outcome.err);
    if (outcome.status == 0) {
      ++trained, seed = i;
    } else {
      CHECK(outcome.status == 5);
      const bool told =
          outcome.err.find("another gamlp train or resume works in this folder (process ") != std::string::npos ||
          outcome.err.find("holds a run already") != std::string::npos;
      CHECK(told);
    }
  }
  CHECK(trained == 1);
  CHECK(json_file(work / "run/config.json")["train"]["seed"] == seed);
  CHECK(json_file(work / "run/result.json")["seed"] == seed);
  CHECK(lines_of(file_text(work / "run/metrics.jsonl")).size() == 600);
  CHECK_FALSE(fs::exists(work / "run/lock"));
}

TEST_CASE("trainings without --run that start at once take folders of their own") {
  const WorkFolder work;
  work.write("small.json", small_config());
  const WorkFolder other;  // its outputs
  std::vector<std::unique_ptr<Child>> children;
  for (int i = 0; i < 4; ++i)
    children.push_back(std::make_unique<Child>(work, std::vector<std::string>{"train", "small.json"}));
  for (const auto& child : children) CHECK(child->wait().status == 0);
  for (const char* name : {"small", "small-2", "small-3", "small-4"})
    CHECK(fs::exists(work / "runs" / name / "result.json"));
}

TEST_CASE("a run that trains is not resumed; one whose process was killed is, and is told") {
  const WorkFolder work, other;
  work.write("long.json", small_config(100'000));
  Child child(work, {"train", "long.json", "--run", "run", "--set", "train.checkpoint_every=2"});
  REQUIRE(has_trained(child, work / "run"));
  const std::string pid = std::to_string(child.pid());
  const Outcome refused = run(other, {"resume", (work / "run").string()});
  CHECK(refused.status == 5);
  check_says(refused.err, "another gamlp train or resume works in this folder (process " + pid + " on ");
  const Outcome info = run(other, {"info", (work / "run").string()});
  check_says(info.out, "not finished, running: process " + pid + " on ");
  const json running = json::parse(run(other, {"info", (work / "run").string(), "--json"}).out);
  CHECK(running["state"] == "running");
  CHECK(running["holder"]["process"] == child.pid());
  CHECK(json_file(work / "run/state.json")["state"] == "running");
  kill_hard(child);

  const json killed = json::parse(run(other, {"info", (work / "run").string(), "--json"}).out);
  CHECK(killed["state"] == "killed");
  CHECK(killed["holder"].is_null());
  check_says(run(other, {"info", (work / "run").string()}).out,
             "not finished, killed: its process ended without a word");

  work.write("run/best.safetensors.tmp.1", "half a file");
  work.write("run/checkpoints/epoch-000001.safetensors.tmp.1", "half a file");
  Child second(work, {"resume", "run"});
  REQUIRE(has_trained(second, work / "run", lines_of(file_text(work / "run/metrics.jsonl")).size() + 3));
  ::kill(second.pid(), SIGTERM);
  const Outcome stopped = second.wait();
  INFO(stopped.err);
  CHECK(stopped.status == 8);
  check_says(stopped.out, "the folder was locked by process " + pid + " on ");
  check_says(stopped.out, "which ended without a word: taking its place");
  CHECK_FALSE(holds(names_in(work / "run"), ".tmp."));
  CHECK_FALSE(fs::exists(work / "run/lock"));
  const json state = json_file(work / "run/state.json");
  CHECK(state["state"] == "interrupted");
  CHECK(state["status"] == 8);
  check_says(run(work, {"info", "run"}).out, "not finished, interrupted");
}

TEST_CASE("a run that is killed again and again loses no line and no bit") {
  const WorkFolder work;
  work.write("small.json", small_config(60));
  const std::vector<std::string> set = {"--set", "train.checkpoint_every=1", "--quiet"};
  const auto with = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), set.begin(), set.end());
    return arguments;
  };
  REQUIRE(run(work, with({"train", "small.json", "--run", "whole"})).status == 0);
  Child first(work, with({"train", "small.json", "--run", "run"}));
  REQUIRE(has_trained(first, work / "run", 2));
  kill_hard(first);
  int kills = 1;
  for (; kills < 60 && !fs::exists(work / "run/result.json"); ++kills) {
    const std::size_t before = lines_of(file_text(work / "run/metrics.jsonl")).size();
    Child child(work, {"resume", "run", "--quiet"});
    if (has_trained(child, work / "run", before + 2 + static_cast<std::size_t>(kills) % 7)) {
      std::this_thread::sleep_for(std::chrono::microseconds(137 * kills));
      kill_hard(child);
    } else {
      const Outcome outcome = child.wait();
      INFO(outcome.err);
      REQUIRE(outcome.status == 0);
    }
  }
  CHECK(kills > 5);
  const auto all = lines_of(file_text(work / "run/metrics.jsonl")),
             whole = lines_of(file_text(work / "whole/metrics.jsonl"));
  REQUIRE(all.size() == whole.size());
  for (std::size_t i = 0; i < all.size(); ++i) {
    json a = json::parse(all[i]), b = json::parse(whole[i]);
    a.erase("seconds"), b.erase("seconds");
    CHECK(a == b);
  }
  CHECK(file_text(work / "run/best.safetensors") == file_text(work / "whole/best.safetensors"));
}

TEST_CASE("state.json says how a run ended") {
  const WorkFolder work;
  train_small(work);
  CHECK(json_file(work / "run/state.json") == json({{"state", "finished"}, {"status", 0}}));
  CHECK(json_file(work / "run/result.json")["state"] == "finished");
  check_says(run(work, {"info", "run"}).out, "run: finished\n");
  // Features whose squares are not finite.
  work.write("edges.txt", "0 1\n1 2\n2 3\n");
  work.write("features.csv", "1e30,2e30\n3e30,1e30\n-1e30,0\n1e29,1e30\n");
  work.write("labels.txt", "0\n1\n0\n1\n");
  work.write("huge.json",
             R"({"dataset": {"text": {"edges": "edges.txt", "features": "features.csv", "labels": "labels.txt"},
    "hops": 1, "standardize": "none", "split": {"kind": "fraction"}}, "model": {"width": 4},
    "stages": [{"layers": 2, "epochs": 5}]})");
  REQUIRE(run(work, {"train", "huge.json", "--run", "huge"}).status == 7);
  const json state = json_file(work / "huge/state.json");
  CHECK(state["state"] == "diverged");
  CHECK(state["status"] == 7);
  check_says(state["message"], "diverged at epoch 1");
  check_says(run(work, {"info", "huge"}).out, "not finished, diverged: training diverged at epoch 1");
  // A folder of a version that wrote no such file.
  fs::remove(work / "run/state.json");
  CHECK(json::parse(run(work, {"info", "run", "--json"}).out)["state"] == "finished");
  work.write("run/state.json", "[]");
  CHECK(run(work, {"info", "run"}).status == 4);
}

TEST_CASE("gamlp resume --set trains a finished run on, in its folder or in a new one") {
  const WorkFolder work;
  work.write("small.json", small_config());
  REQUIRE(run(work, {"train", "small.json", "--run", "none"}).status == 0);
  REQUIRE(run(work, {"train", "small.json", "--run", "run", "--set", "train.checkpoint_every=100"}).status == 0);
  REQUIRE(run(work, {"train", "small.json", "--run", "whole", "--set", "train.checkpoint_every=100", "--set",
                     "stages.1.epochs=20"})
              .status == 0);
  const Outcome finished = run(work, {"resume", "run"});
  CHECK(finished.status == 3);
  check_says(finished.err, "To train it further, say what for: --set stages.N.epochs=");
  const Outcome none = run(work, {"resume", "none", "--set", "stages.1.epochs=20"});
  CHECK(none.status == 4);
  check_says(none.err, "train.checkpoint_every above 0 leaves one at its end");
  const Outcome width = run(work, {"resume", "run", "--set", "model.width=20", "--run", "new"});
  CHECK(width.status == 3);
  check_says(width.err, "`model.width` (12 to 20)");
  CHECK_FALSE(fs::exists(work / "new"));

  const std::string result = file_text(work / "run/result.json"), config = file_text(work / "run/config.json");
  const Outcome copied = run(work, {"resume", "run", "--set", "stages.1.epochs=20", "--run", "new"});
  INFO(copied.err);
  REQUIRE(copied.status == 0);
  check_says(copied.out, "run folder: new");
  CHECK(file_text(work / "run/result.json") == result);
  CHECK(file_text(work / "run/config.json") == config);
  CHECK(run(work, {"resume", "run", "--set", "stages.1.epochs=20", "--run", "new"}).status == 5);
  REQUIRE(run(work, {"resume", "run", "--set", "stages.1.epochs=20"}).status == 0);
  for (const char* folder : {"run", "new"}) {
    CHECK(file_text(work / folder / "best.safetensors") == file_text(work / "whole/best.safetensors"));
    CHECK(lines_of(file_text(work / folder / "metrics.jsonl")).size() == 28);
    CHECK(json_file(work / folder / "result.json")["epochs"] == 28);
    CHECK(json_file(work / folder / "state.json")["state"] == "finished");
  }
}

}  // namespace gamlp::test
