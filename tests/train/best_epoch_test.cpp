// Which epoch a run reports: the first one of the best validation accuracy of the last stage.
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
    CHECK(worst->accuracy->validation < best->accuracy->validation);
    others += best_test->accuracy->test > best->accuracy->test ? 1 : 0;
  }
  CHECK(others > 0);
}

TEST_CASE("a run says when a shallower stage validated better") {
  const ScratchFolder scratch;
  Recorder recorder;
  // The second stage starts from the paper's random layers and a new head, and has one epoch to recover.
  run_in(scratch / "run",
         small_config({"method.init=normal", "method.growth_head=restart", "stages.0.epochs=60", "stages.1.epochs=1"}),
         {}, &recorder);
  const nlohmann::json result = json_of(scratch / "run/result.json");
  REQUIRE(result["stages"][0]["validation_accuracy"].get<double>() > result["validation_accuracy"].get<double>());
  bool told = false;
  for (const std::string& warning : recorder.warnings) told = told || warning.find("2 layers validated better") == 0;
  CHECK(told);
}

TEST_CASE("a result gives bytes per epoch, and recall and precision of the classes") {
  const ScratchFolder scratch;
  run_in(scratch / "run", small_config({"devices=cpu:2"}));
  const nlohmann::json result = json_of(scratch / "run/result.json");
  CHECK(result["bytes_per_epoch"].get<double>() == result["bytes_sent"].get<double>() / 20.0);
  CHECK(result["bytes_sent"].get<double>() > 0);
}

}  // namespace gamlp::test
