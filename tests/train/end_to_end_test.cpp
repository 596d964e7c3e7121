// Small runs from config to result: the same bits for any number of workers, and when repeated; stopping rules; the
// bit schedule.
#include "tests/support/methods.hpp"
#include "tests/train/support.hpp"

namespace gamlp::test {
namespace {

void check_result(const fs::path& run, std::int64_t epochs, double at_least) {
  const nlohmann::json result = json_of(run / "result.json");
  for (const char* key : {"test_accuracy", "validation_accuracy", "train_accuracy", "best_epoch", "epochs", "seconds",
                          "seconds_per_epoch", "bytes_sent", "bytes_per_epoch", "devices", "seed", "version"}) {
    INFO(key);
    CHECK(result.contains(key));
  }
  CHECK(result["epochs"] == epochs);
  CHECK(result["test_accuracy"].get<double>() >= at_least);
}

std::vector<nlohmann::json> accuracies_of(const fs::path& run) {
  const nlohmann::json result = json_of(run / "result.json");
  return {result["test_accuracy"], result["validation_accuracy"], result["train_accuracy"], result["best_epoch"]};
}

void check_same_run(const fs::path& a, const fs::path& b) {
  CHECK(metrics_of(a) == metrics_of(b));
  CHECK(accuracies_of(a) == accuracies_of(b));
  CHECK(weights_of(a) == weights_of(b));
}

}  // namespace

TEST_CASE("the same run for 1, 2 and 4 workers, and when repeated") {
  for (const Coded& coded : trainings()) {
    INFO(coded.name);
    const ScratchFolder scratch;
    Config config = small_config(coded.overrides);
    run_in(scratch / "one", config);
    check_result(scratch / "one", 20, 0.5);
    run_in(scratch / "again", config);
    check_same_run(scratch / "one", scratch / "again");
    CHECK(read_file(scratch / "one/best.safetensors") == read_file(scratch / "again/best.safetensors"));
    CHECK(metrics_of(scratch / "one", true) == metrics_of(scratch / "again", true));
    for (const char* devices : {"cpu:2", "cpu:4"}) {
      INFO(devices);
      config.devices = devices;
      run_in(scratch / devices, config);
      check_same_run(scratch / "one", scratch / devices);
    }
  }
}

TEST_CASE("config.json of a run folder repeats the run") {
  const ScratchFolder scratch;
  const Config config = small_config({"method.update=auto", "devices=cpu:2"});
  run_in(scratch / "first", config);
  const Config written = load_config(scratch / "first/config.json");
  CHECK(admm_of(written).update != Update::automatic);
  CHECK(admm_of(written).nu.has_value());
  run_in(scratch / "second", written);
  check_same_run(scratch / "first", scratch / "second");
  CHECK(read_file(scratch / "first/config.json") == read_file(scratch / "second/config.json"));
}

TEST_CASE("a run reports one record per epoch, in order") {
  const ScratchFolder scratch;
  Recorder recorder;
  run_in(scratch / "run", small_config({"devices=cpu:2", "train.evaluate_every=4"}), {}, &recorder);
  REQUIRE(recorder.epochs.size() == 20);
  REQUIRE(recorder.stages.size() == 2);
  for (std::size_t i = 0; i < recorder.epochs.size(); ++i) {
    const EpochRecord& r = recorder.epochs[i];
    INFO("epoch " << i + 1);
    CHECK(r.epoch == static_cast<std::int64_t>(i) + 1);
    CHECK(r.stage == (i < 10 ? 1 : 2));
    CHECK(r.layers == (i < 10 ? 2 : 4));
    CHECK(r.accuracy.has_value() == (r.stage_epoch % 4 == 0 || r.stage_epoch == 10));
    if (i > 0) CHECK(r.bytes_sent >= recorder.epochs[i - 1].bytes_sent);
  }
  CHECK(metrics_of(scratch / "run").size() == 20);
}

TEST_CASE("the schedule changes the bits from an epoch of each stage on") {
  const ScratchFolder scratch;
  run_in(scratch / "run",
         small_config({"devices=cpu:2", R"(exchange.schedule=[{"epoch":0,"bits":16},{"epoch":6,"bits":4}])",
                       "exchange.p.coding=difference", "exchange.q.coding=difference"}));
  std::vector<std::uint64_t> bytes;
  std::uint64_t before = 0;
  for (const std::string& line : lines_of(scratch / "run/metrics.jsonl")) {
    const nlohmann::json json = nlohmann::json::parse(line);
    const int bits = json["stage_epoch"].get<int>() > 6 ? 4 : 16;
    CHECK(json["bits"]["p"] == bits);
    CHECK(json["bits"]["q"] == bits);
    const auto sent = json["bytes_sent"].get<std::uint64_t>();
    bytes.push_back(sent - before);
    before = sent;
  }
  REQUIRE(bytes.size() == 20);
  CHECK(bytes[4] > 3 * bytes[8]);
  CHECK(bytes[14] > 3 * bytes[18]);
}

TEST_CASE("a stage ends on convergence, and the next one starts") {
  const ScratchFolder scratch;
  for (const char* rule : {"train.stop.residual=1", "train.stop.objective=0.99"}) {
    for (const char* every : {"train.evaluate_every=1", "train.evaluate_every=3", "train.evaluate_every=7"}) {
      INFO(rule << ", " << every);
      Recorder recorder;
      const fs::path path = scratch / (std::string(rule + 11) + every);
      run_in(path, small_config({rule, every, "train.stop.window=2", "devices=cpu:2", "stages.1.epochs=60"}), {},
             &recorder);
      const nlohmann::json result = json_of(path / "result.json");
      REQUIRE(recorder.messages.size() == 2);
      check_says(recorder.messages[0], "stage 1 converged after");
      CHECK(recorder.epochs.size() < 70);
      CHECK(recorder.epochs.back().stage == 2);
      CHECK(result["epochs"] == recorder.epochs.size());
      CHECK(metrics_of(path).size() == recorder.epochs.size());
      // The last epoch of a stage is always evaluated, so there are weights to keep.
      CHECK(recorder.epochs.back().accuracy.has_value());
      CHECK(result["test_accuracy"].is_number());
    }
  }
}

}  // namespace gamlp::test
