// A finished run goes on with more epochs or stages, as if it had been configured so from the start.
#include "tests/train/support.hpp"

namespace gamlp::test {
namespace {

TrainResult go_on(const fs::path& run, const std::vector<std::string>& overrides) {
  Recorder recorder;
  TrainOptions options;
  options.overrides = overrides;
  return resume(RunFolder::open_to_train(run), recorder, options);
}

void check_same_continuation(const fs::path& a, const fs::path& b) {
  CHECK(metrics_of(a, true) == metrics_of(b, true));
  CHECK(weights_of(a) == weights_of(b));
  const nlohmann::json x = json_of(a / "result.json"), y = json_of(b / "result.json");
  for (const char* key : {"test_accuracy", "validation_accuracy", "train_accuracy", "best_epoch", "epochs", "stages",
                          "bytes_sent", "bytes_per_epoch_one_device_per_layer", "test_per_class"}) {
    INFO(key);
    CHECK(x[key] == y[key]);
  }
}

const char* const kFour = R"(stages=[{"layers":2,"epochs":10},{"layers":4,"epochs":10},{"layers":6,"epochs":3}])";

}  // namespace

TEST_CASE("more epochs or stages give the bits of a run that had them from the start") {
  for (const Coded& coded : trainings()) {
    for (const std::string more : {"stages.1.epochs=17", kFour}) {
      INFO(coded.name << ", " << more);
      const ScratchFolder scratch;
      const auto set = joined(coded.overrides, {"devices=cpu:2", "train.checkpoint_every=7"});
      run_in(scratch / "whole", small_config(joined(set, {more})));
      run_in(scratch / "run", small_config(set));
      CHECK_FALSE(json_of(scratch / "run/result.json").contains("continued"));
      const double before = json_of(scratch / "run/result.json")["seconds"];
      go_on(scratch / "run", {more});
      check_same_continuation(scratch / "whole", scratch / "run");
      CHECK(json_of(scratch / "run/config.json") == json_of(scratch / "whole/config.json"));
      const nlohmann::json result = json_of(scratch / "run/result.json");
      CHECK(result["seconds"].get<double>() > before);
      REQUIRE(result["continued"].size() == 1);
      CHECK(result["continued"][0]["after_epoch"] == 20);
      CHECK(result["continued"][0]["changed"].contains("stages"));
    }
  }
}

TEST_CASE("a run goes on again and again, interrupted ones too, and says all of it") {
  const ScratchFolder scratch;
  const std::vector<std::string> set = {"train.checkpoint_every=1"};
  run_in(scratch / "whole", small_config(joined(set, {kFour, "stages.1.epochs=14"})));
  run_in(scratch / "run", small_config(set));
  go_on(scratch / "run", {"stages.1.epochs=12"});
  std::atomic<bool> stop{true};
  Recorder recorder;
  TrainOptions options;
  options.stop = &stop;
  options.overrides = {"stages.1.epochs=14"};
  CHECK(resume(RunFolder::open_to_train(scratch / "run"), recorder, options).interrupted);
  CHECK_FALSE(fs::exists(scratch / "run/result.json"));
  go_on(scratch / "run", {R"(stages=[{"layers":2,"epochs":10},{"layers":4,"epochs":14},{"layers":6,"epochs":3}])"});
  check_same_continuation(scratch / "whole", scratch / "run");
  const nlohmann::json history = json_of(scratch / "run/result.json")["continued"];
  REQUIRE(history.size() == 3);
  CHECK(history[0]["after_epoch"] == 20);
  CHECK(history[1]["after_epoch"] == 22);
  CHECK(history[2]["after_epoch"] == 23);
}

TEST_CASE("another learning rate counts from where the run goes on") {
  const ScratchFolder scratch;
  const std::vector<std::string> set = {"method.name=gd", "method.optimizer.learning_rate=0.3",
                                        "train.checkpoint_every=20"};
  run_in(scratch / "run", small_config(set));
  const auto before = metrics_of(scratch / "run");
  run_in(scratch / "same", small_config(joined(set, {"stages.1.epochs=15"})));
  go_on(scratch / "run", {"stages.1.epochs=15", "method.optimizer.learning_rate=0.1"});
  const auto after = metrics_of(scratch / "run"), same = metrics_of(scratch / "same");
  REQUIRE(after.size() == 25);
  CHECK(std::equal(before.begin(), before.end(), after.begin()));
  CHECK(nlohmann::json::parse(after[20])["objective"] ==
        nlohmann::json::parse(same[20])["objective"]);  // of the weights before its step
  CHECK(after[22] != same[22]);
  const nlohmann::json changed = json_of(scratch / "run/result.json")["continued"][0]["changed"];
  CHECK(changed["method.optimizer.learning_rate"] == nlohmann::json::array({0.3, 0.1}));
}

TEST_CASE("a stage that a rule has ended goes on with another rule, and with none") {
  const ScratchFolder scratch;
  const std::vector<std::string> set = {"train.checkpoint_every=50", "train.stop.objective=0.5", "train.stop.window=2"};
  run_in(scratch / "run", small_config(set));
  const std::int64_t stopped = json_of(scratch / "run/result.json")["epochs"];
  REQUIRE(stopped < 20);
  check_says(error_of<ConfigError>([&] { go_on(scratch / "run", {"stages.1.epochs=30"}); }),
             "nothing is left to train after epoch " + std::to_string(stopped) +
                 ": raise `epochs` of the last stage (and change `train.stop`, which ended it)");
  CHECK(fs::exists(scratch / "run/result.json"));
  go_on(scratch / "run", {"train.stop.objective=null"});
  CHECK(json_of(scratch / "run/result.json")["epochs"] > stopped);
  CHECK(metrics_of(scratch / "run").back().find("\"stage_epoch\":10") != std::string::npos);
}

TEST_CASE("a run that ended between its last checkpoint and its result gets it, on other devices too") {
  const ScratchFolder scratch;
  run_in(scratch / "run", small_config({"train.checkpoint_every=5"}));
  const std::string metrics = read_file(scratch / "run/metrics.jsonl");
  const nlohmann::json before = json_of(scratch / "run/result.json");
  const auto weights = weights_of(scratch / "run");
  fs::remove(scratch / "run/result.json");
  fs::remove(scratch / "run/best.safetensors");
  go_on(scratch / "run", {"devices=cpu:2"});
  CHECK(read_file(scratch / "run/metrics.jsonl") == metrics);
  CHECK(weights_of(scratch / "run") == weights);
  CHECK(json_of(scratch / "run/result.json")["test_accuracy"] == before["test_accuracy"]);
  CHECK(json_of(scratch / "run/result.json")["epochs"] == 20);
}

TEST_CASE("what a run cannot go on with is refused by name, and the run stays as it is") {
  const ScratchFolder scratch;
  const fs::path run = scratch / "run";
  run_in(run, small_config({"train.checkpoint_every=5"}));
  const std::string config = read_file(run / "config.json"), result = read_file(run / "result.json"),
                    metrics = read_file(run / "metrics.jsonl");
  struct Bad {
    std::vector<std::string> overrides;
    const char* message;
  };
  const std::vector<Bad> corpus = {
      {{"model.width=17"}, "another value of `model.width` (16 to 17)"},
      {{"train.seed=5", "dataset.hops=3"}, "another value of `dataset.hops` (2 to 3), `train.seed` (0 to 5)"},
      {{"exchange.p.bits=4"}, "`exchange.p.bits`"},
      {{"stages.1.epochs=9"}, "stages.1.epochs: is 9, but 10 are done"},
      {{"stages.0.epochs=20"},
       "stages.0.epochs: is 20, but the stage is behind the run, with 10; only the stage that it "
       "stands in, 1, and later ones may change"},
      {{"stages.1.layers=5"}, "stages.1.layers: is 5, but the run has trained the stage with 4"},
      {{R"(stages=[{"layers":2,"epochs":10}])"}, "stages.1: is missing, but the run has trained it"},
      {{"train.evaluate_every=2"}, "nothing is left to train after epoch 20"},
      {{"stages.1.epochs=10"}, "nothing is left to train after epoch 20: raise `epochs` of the last stage, or"},
  };
  for (const Bad& bad : corpus) {
    INFO(bad.message);
    check_says(error_of<ConfigError>([&] { go_on(run, bad.overrides); }), bad.message);
    CHECK(read_file(run / "config.json") == config);
    CHECK(read_file(run / "result.json") == result);
    CHECK(read_file(run / "metrics.jsonl") == metrics);
    CHECK(state_now(RunFolder::open(run)).state == "finished");
  }
}

TEST_CASE("with more epochs a run keeps the coordinates that it has for few") {
  const ScratchFolder scratch;
  const fs::path run = scratch / "run";
  const std::vector<std::string> set = {"dataset.hops=12", "train.checkpoint_every=5"};
  const auto stages = [](const char* more) { return std::string(R"(stages=[{"layers":2,"epochs":2},)") + more + "]"; };
  run_in(run, small_config(joined(set, {stages(R"({"layers":4,"epochs":3})")})));
  const auto few = metrics_of(run);
  REQUIRE(json_of(run / "result.json")["input"] == "plain");
  run_in(scratch / "many", small_config(joined(set, {stages(R"({"layers":4,"epochs":20})")})));
  REQUIRE(json_of(scratch / "many" / "result.json")["input"] == "qr");
  go_on(run, {"stages.1.epochs=20"});
  go_on(run, {stages(R"({"layers":4,"epochs":20},{"layers":5,"epochs":3})")});
  CHECK(json_of(run / "result.json")["input"] == "plain");
  const auto all = metrics_of(run);
  REQUIRE(all.size() == 25);
  CHECK(std::equal(few.begin(), few.end(), all.begin()));
}

TEST_CASE("a list of stages typed again leaves the choices of those that have run as they were") {
  const ScratchFolder scratch;
  const auto stages = [](const char* rate, int epochs) {
    return R"(stages=[{"layers":2,"epochs":8},{"layers":4,"method":{"name":"adam")" + std::string(rate) +
           R"(},"epochs":)" + std::to_string(epochs) + "}]";
  };
  for (const char* rate : {"", R"(,"optimizer":{"learning_rate":0.01})"}) {
    run_in(scratch / "whole", small_config({"train.checkpoint_every=9", stages(rate, 10)}));
    run_in(scratch / "run", small_config({"train.checkpoint_every=9", stages(rate, 6)}));
    go_on(scratch / "run", {stages(rate, 10)});
    check_same_continuation(scratch / "whole", scratch / "run");
    fs::remove_all(scratch / "whole"), fs::remove_all(scratch / "run");
  }
  run_in(scratch / "run", small_config({"train.checkpoint_every=9", stages("", 6)}));
  check_says(error_of<ConfigError>([&] { go_on(scratch / "run", {stages(R"(,"microbatches":3)", 10)}); }),
             "stages.1.method.microbatches: is 3, but the run has trained the stage with 1");
}

TEST_CASE("a stage does not end before its first evaluation") {
  const ScratchFolder scratch;
  const Config config = small_config({"train.evaluate_every=100"});
  REQUIRE(train_until(scratch / "run", config, 4).interrupted);
  const std::string done = std::to_string(metrics_of(scratch / "run").size());
  check_says(error_of<ConfigError>([&] { go_on(scratch / "run", {"stages.0.epochs=" + done}); }),
             "stages.0.epochs: is " + done +
                 ", which are done, but the last of them was not evaluated: must be at "
                 "least " +
                 std::to_string(std::stoi(done) + 1));
  go_on(scratch / "run", {"stages.0.epochs=" + std::to_string(std::stoi(done) + 1)});
  CHECK(json_of(scratch / "run/result.json")["stages"].size() == 2);
}

TEST_CASE("a run leaves a checkpoint of its end where it leaves any") {
  const ScratchFolder scratch;
  run_in(scratch / "none", small_config());
  CHECK(fs::is_empty(scratch / "none/checkpoints"));
  check_says(error_of<DataError>([&] { go_on(scratch / "none", {"stages.1.epochs=30"}); }), "no usable checkpoint");
  for (const char* every : {"train.checkpoint_every=13", "train.checkpoint_every=20"}) {
    const fs::path run = scratch / every;
    run_in(run, small_config({every}));
    std::vector<std::string> warnings;
    const Checkpoint last = load_latest_checkpoint(run / "checkpoints", warnings);
    CHECK(last.epoch == 20);
    CHECK(last.stage_epoch == 10);
    CHECK(last.stage_complete);
  }
}

}  // namespace gamlp::test
