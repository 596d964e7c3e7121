// Which epoch a run reports: the first one of the best validation accuracy of the last stage.
#include <algorithm>
#include <atomic>

#include "tests/train/support.hpp"

namespace gamlp::test {

TEST_CASE("the best epoch is the first of the best validation accuracy in the last stage") {
  int others = 0;  // runs whose best epoch on test is another one: else that choice would not show
  for (const char* seed : {"train.seed=1", "train.seed=2", "train.seed=3"}) {
    const ScratchFolder scratch;
    Recorder recorder;
    run_in(scratch / "run", small_config({seed, "dataset.generate.feature_signal=0.4", "stages.1.epochs=30"}), {},
           &recorder);
    const EpochRecord* best = nullptr;
    const EpochRecord* worst = nullptr;
    const EpochRecord* best_test = nullptr;
    for (const EpochRecord& record : recorder.epochs) {
      if (record.stage != 2) continue;
      if (best == nullptr || record.accuracy->validation > best->accuracy->validation) best = &record;
      if (worst == nullptr || record.accuracy->validation < worst->accuracy->validation) worst = &record;
      if (best_test == nullptr || record.accuracy->test > best_test->accuracy->test) best_test = &record;
    }
    const nlohmann::json result = json_of(scratch / "run/result.json");
    CHECK(result["best_epoch"] == best->epoch);
    CHECK(result["validation_accuracy"] == best->accuracy->validation);
    CHECK(result["test_accuracy"] == best->accuracy->test);
    CHECK(result["train_accuracy"] == best->accuracy->train);
    CHECK(result["best_stage_epoch"] == best->stage_epoch);
    CHECK(result["stage"] == 2);
    CHECK(result["layers"] == 4);
    CHECK(worst->accuracy->validation < best->accuracy->validation);
    others += best_test->accuracy->test > best->accuracy->test ? 1 : 0;
  }
  CHECK(others > 0);
}

namespace {

// A run whose second stage validates worse: it starts from the paper's random layers and a new head, and has one epoch
// to recover.
Config losing_growth(const std::vector<std::string>& more = {}) {
  return small_config(joined({"method.init=normal", "method.growth_head=restart", "stages.0.epochs=60",
                              "stages.1.epochs=1", "train.checkpoint_every=1"},
                             more));
}

bool has_line(const std::vector<std::string>& lines, const std::string& begin) {
  return std::any_of(lines.begin(), lines.end(), [&](const std::string& line) { return line.starts_with(begin); });
}

}  // namespace

TEST_CASE("a run says when a shallower stage validated better, and reports it on request") {
  const ScratchFolder scratch;
  Recorder last, best;
  run_in(scratch / "last", losing_growth(), {}, &last);
  run_in(scratch / "best", losing_growth({"train.report=best_stage"}), {}, &best);
  const nlohmann::json a = json_of(scratch / "last/result.json"), b = json_of(scratch / "best/result.json");
  REQUIRE(a["stages"].size() == 2);
  REQUIRE(a["stages"][0]["validation_accuracy"].get<double>() > a["validation_accuracy"].get<double>());
  CHECK(a["stages"] == b["stages"]);
  CHECK(has_line(last.warnings, "2 layers validated better"));
  CHECK_FALSE(has_line(best.warnings, "2 layers validated better"));

  CHECK(a["stage"] == 2);
  CHECK(a["layers"] == 4);
  CHECK(a["best_stage_epoch"] == 0);  // as it starts: its epoch has not helped
  CHECK(a["best_epoch"] == a["stages"][0]["best_epoch"]);
  CHECK(b["stage"] == 1);
  CHECK(b["layers"] == 2);
  CHECK(b["best_epoch"] == b["best_stage_epoch"]);
  for (const char* key : {"best_epoch", "best_stage_epoch", "layers", "test_accuracy", "train_accuracy"}) {
    INFO(key);
    CHECK(b[key] == b["stages"][0][key]);
    CHECK(a[key] == a["stages"][1][key]);
  }
  double correct = 0;
  for (const nlohmann::json& one : b["test_per_class"]) {
    if (!one["recall"].is_null()) correct += one["recall"].get<double>() * one["nodes"].get<double>();
  }
  CHECK(correct / 90.0 == Approx(b["test_accuracy"].get<double>()));

  // Both runs keep the weights of both stages; the result's are those of one of them.
  const std::string first = weights_of(scratch / "last", "best-stage-1"),
                    second = weights_of(scratch / "last", "best-stage-2");
  CHECK(first != second);
  CHECK(weights_of(scratch / "best", "best-stage-1") == first);
  CHECK(weights_of(scratch / "best", "best-stage-2") == second);
  CHECK(weights_of(scratch / "last") == second);
  CHECK(weights_of(scratch / "best") == first);
}

TEST_CASE("the stage of the best validation accuracy is reported, the deepest of those that tie") {
  int others = 0, shallow = 0;  // runs whose best stage on test is another one, and whose result is not the last stage
  for (const std::string seed : {"1", "2", "3", "4", "5", "6"}) {
    const ScratchFolder scratch;
    run_in(scratch / "run",
           small_config({"train.seed=" + seed, "train.report=best_stage", "dataset.generate.feature_signal=0.4",
                         "dataset.split.validation=30", "method.init=normal", "method.growth_head=restart",
                         R"(stages=[{"layers":2,"epochs":9},{"layers":3,"epochs":3},{"layers":5,"epochs":3}])"}));
    const nlohmann::json result = json_of(scratch / "run/result.json");
    std::size_t best = 0, best_test = 0;
    for (std::size_t i = 1; i < 3; ++i) {
      const nlohmann::json& stages = result["stages"];
      if (stages[i]["validation_accuracy"] >= stages[best]["validation_accuracy"]) best = i;
      if (stages[i]["test_accuracy"] >= stages[best_test]["test_accuracy"]) best_test = i;
    }
    INFO("seed " << seed);
    CHECK(result["stage"] == best + 1);
    others += best != best_test ? 1 : 0;
    shallow += best < 2 ? 1 : 0;
  }
  CHECK(others > 0);
  CHECK(shallow > 0);
}

TEST_CASE("a resumed run has the weights of the stages that were over before") {
  const ScratchFolder scratch;
  const Config config = losing_growth({"train.report=best_stage"});
  run_in(scratch / "whole", config);
  std::atomic<bool> stop{false};
  TrainOptions options;
  options.stop = &stop;
  options.before_iteration = [&](int, std::int64_t epoch) { stop = epoch == 61; };
  CHECK(run_in(scratch / "run", config, options).interrupted);
  CHECK_FALSE(fs::exists(scratch / "run/best-stage-1.safetensors"));
  Recorder recorder;
  resume(RunFolder::open_to_train(scratch / "run"), recorder);
  for (const char* name : {"best", "best-stage-1", "best-stage-2"}) {
    INFO(name);
    CHECK(weights_of(scratch / "run", name) == weights_of(scratch / "whole", name));
  }
  CHECK(json_of(scratch / "run/result.json")["stages"] == json_of(scratch / "whole/result.json")["stages"]);
}

TEST_CASE("without validation nodes the last stage is the result, whatever is asked for") {
  const ScratchFolder scratch;
  Recorder recorder;
  run_in(scratch / "run",
         losing_growth({"train.report=best_stage", "dataset.split.kind=fraction", "dataset.split.train_fraction=0.5",
                        "dataset.split.validation_fraction=0.0001"}),
         {}, &recorder);
  CHECK(json_of(scratch / "run/result.json")["stage"] == 2);
  CHECK(has_line(recorder.warnings, "`train.report` is \"best_stage\", but no node validates"));
}

TEST_CASE("a run of one stage keeps one file of weights") {
  const ScratchFolder scratch;
  run_in(scratch / "run", small_config({R"(stages=[{"layers":3,"epochs":3}])", "train.report=best_stage"}));
  CHECK(fs::exists(scratch / "run/best.safetensors"));
  CHECK_FALSE(fs::exists(scratch / "run/best-stage-1.safetensors"));
  CHECK(json_of(scratch / "run/result.json")["stages"].size() == 1);
}

TEST_CASE("a result gives bytes per epoch, and recall and precision of the classes") {
  const ScratchFolder scratch;
  run_in(scratch / "run", small_config({"devices=cpu:2"}));
  const nlohmann::json result = json_of(scratch / "run/result.json");
  CHECK(result["bytes_per_epoch"].get<double>() == result["bytes_sent"].get<double>() / 20.0);
  CHECK(result["bytes_sent"].get<double>() > 0);
}

}  // namespace gamlp::test
