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

TEST_CASE("the result says which epoch it is of, also where no node validates") {
  const WorkFolder work;
  work.write("small.json", small_config());
  check_says(run(work, {"train", "small.json", "--quiet"}).out, "(at the best validation accuracy)");
  const Outcome last = run(work, {"train", "small.json", "--quiet", "--set", "dataset.split.kind=fraction", "--set",
                                  "dataset.split.validation_fraction=0.0001"});
  check_says(last.out, "(of the last epoch: no node validates)");
  check_says(last.out, "best epoch               16 of 16");
}

TEST_CASE("a run that was placed by forecast says so, has the bits of one device, and goes on anywhere") {
  const WorkFolder work;
  work.write("small.json", small_config());
  const auto trained = [&](const std::string& folder, const std::string& devices, int epochs) {
    return run(work, {"train", "small.json", "--run", folder, "--devices", devices, "--set", "method.name=adam",
                      "--set", "dataset.generate.nodes=3000", "--set", "dataset.split.kind=fraction", "--set",
                      "method.microbatches=8", "--set", "train.checkpoint_every=4", "--set",
                      "stages=[{\"layers\": 3, \"epochs\": " + std::to_string(epochs) + "}]"});
  };
  const auto objectives = [&](const std::string& folder) {
    std::string all;
    for (const std::string& line : lines_of(file_text(work / folder / "metrics.jsonl"))) {
      all += nlohmann::json::parse(line).at("objective").dump() + " ";
    }
    return all;
  };
  REQUIRE(trained("one", "cpu:1", 8).status == 0);
  const Outcome grid = trained("grid", "cpu:4", 4);
  INFO(grid.err << grid.out);
  REQUIRE(grid.status == 0);
  check_says(grid.out, "layers × shards of the training nodes: ");  // 2 × 2 or 1 × 4
  check_says(grid.out, " ms per iteration (");
  const auto result = nlohmann::json::parse(file_text(work / "grid/result.json"));
  CHECK(result["shards"].get<int>() > 1);
  CHECK(nlohmann::json::parse(file_text(work / "grid/config.json"))["partition"]["shards"].is_null());
  const Outcome on = run(work, {"resume", "grid", "--set", "stages.0.epochs=8", "--set", "devices=cpu:3"});
  INFO(on.err);
  REQUIRE(on.status == 0);
  CHECK(objectives("grid") == objectives("one"));
}

TEST_CASE("--from starts from the weights of a run") {
  const WorkFolder work;
  work.write("small.json", small_config());
  REQUIRE(run(work, {"train", "small.json", "--run", "first", "--quiet"}).status == 0);
  const Outcome second = run(work, {"train", "small.json", "--run", "second", "--from", "first", "--set",
                                    R"(stages=[{"layers":4,"epochs":2,"method":{"name":"adam"}}])"});
  INFO(second.err);
  REQUIRE(second.status == 0);
  check_says(second.out, "starting from the 3 layers of " + (work / "first/best.safetensors").string());
  const auto config = nlohmann::json::parse(file_text(work / "second/config.json"));
  CHECK(config["train"]["from"] == (work / "first").string());
  CHECK(fs::is_regular_file(work / "second/start.safetensors"));
  check_says(run(work, {"info", "second"}).out, "starts from");
  const auto refused = [&](const char* weights, const char* text) {
    const Outcome outcome = run(work, {"train", "small.json", "--run", "third", "--from", weights});
    CHECK(outcome.status == 4);
    check_says(outcome.err, text);
    CHECK_FALSE(fs::exists(work / "third"));
  };
  refused("absent", "absent: no such file (train.from)");
  refused("first", "holds 3 layers, expected 2 to the 2");
}

TEST_CASE("--set and --devices override the config") {
  const WorkFolder work;
  work.write("small.json", small_config());
  const Outcome outcome = run(work, {"train", "small.json", "--run", "run", "--quiet", "--set", "method.nu=0.5",
                                     "--set", "stages.1.epochs=3", "--devices", "cpu:1"});
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
  // Finite features whose squares are not.
  work.write("edges.txt", "0 1\n1 2\n2 3\n");
  work.write("features.csv", "1e30,2e30\n3e30,1e30\n-1e30,0\n1e29,1e30\n");
  work.write("labels.txt", "0\n1\n0\n1\n");
  work.write("huge.json",
             R"({"dataset": {"text": {"edges": "edges.txt", "features": "features.csv", "labels": "labels.txt"},
    "hops": 1, "standardize": "none", "split": {"kind": "fraction"}}, "model": {"width": 4}, "stages": [{"layers": 2, "epochs": 5}]})");
  struct Case {
    std::vector<std::string> arguments;
    int status;
    const char* says;
  };
  const std::vector<Case> cases = {
      {{"train", "typo.json"}, 3, "did you mean"},
      {{"train", "typo.json"}, 3, "model"},
      {{"train", "broken.json"}, 3, "broken.json:1:"},
      {{"train", "none.json"}, 3, "none.json: cannot open"},
      {{"train", "small.json", "--set", "model.width=-4"}, 3, "model.width"},
      {{"train", "small.json", "--set", "nonsense"}, 3, "nonsense"},
      {{"train", "small.json", "--devices", "cpu:99"}, 3, "33 shards of the training nodes"},
      {{"train", "missing.json"}, 4, "nowhere.npz"},
      {{"train", "damaged.json"}, 4, "damaged.npz"},
      {{"train", "small.json", "--run", "/proc/run"}, 5, "/proc/run"},
      {{"train", "small.json", "--run", "small.json/run"}, 5, "small.json/run"},
      {{"train", "huge.json"}, 7, "diverged at epoch 1, layer 1"},
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
  CHECK_FALSE(fs::exists(work / "runs/missing"));  // a run that never started leaves no folder
}

TEST_CASE("a full disk ends a run with 5, and no file is half-written") {
  const WorkFolder work;
  work.write("small.json", small_config());
  const std::vector<std::string> arguments = {"train", "small.json", "--quiet", "--set", "train.checkpoint_every=2",
                                              "--run"};
  auto whole = arguments;
  whole.push_back("whole");
  REQUIRE(run(work, whole).status == 0);
  std::uintmax_t checkpoint = 0;
  for (const auto& entry : fs::directory_iterator(work / "whole/checkpoints")) checkpoint = entry.file_size();
  const std::uintmax_t config = fs::file_size(work / "whole/config.json");
  REQUIRE(checkpoint > 3 * config);
  // Too little for the config; then enough for it, and not for a checkpoint.
  for (const std::uintmax_t limit : {config - 1, config + 100, checkpoint - 1}) {
    const std::string folder = "run" + std::to_string(limit);
    INFO(folder << ": config.json needs " << config << ", a checkpoint " << checkpoint);
    auto limited = arguments;
    limited.push_back(folder);
    const Outcome outcome = Child(work, limited, limit).wait();
    CHECK(outcome.status == 5);
    check_says(outcome.err, "File too large");
    std::error_code error;
    for (const auto& entry : fs::recursive_directory_iterator(work / folder, error)) {
      const std::string name = entry.path().filename().string();
      INFO(name);
      CHECK(name.find(".tmp.") == std::string::npos);
      CHECK(name != "best.safetensors");
      CHECK(name != "result.json");
    }
    // Checkpoints from before the disk was full are whole.
    const bool saved = fs::exists(work / folder / "checkpoints", error) && !fs::is_empty(work / folder / "checkpoints");
    CHECK(run(work, {"resume", folder, "--quiet"}).status == (saved ? 0 : 4));
  }
}

TEST_CASE("output that cannot be written is an error") {
  const WorkFolder work;
  work.write("small.json", small_config());
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"generate", "graph.npz"}, {"info", "small.json"}}) {
    INFO(arguments[0]);
    const Outcome outcome = Child(work, arguments, 10).wait();
    CHECK(outcome.status == 5);
  }
  CHECK_FALSE(fs::exists(work / "graph.npz"));
}

}  // namespace gamlp::test
