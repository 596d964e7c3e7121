// A run that is stopped and resumed, however often, ends as if it had never been interrupted.
#include <atomic>

#include "tests/train/support.hpp"

namespace gamlp::test {
namespace {

TrainResult resume_run(const fs::path& run, const TrainOptions& options = {}) {
  Recorder recorder;
  return resume(RunFolder::open(run), recorder, options);
}

void check_as_uninterrupted(const fs::path& whole, const fs::path& resumed, bool same_devices = true) {
  CHECK(metrics_of(resumed, same_devices) == metrics_of(whole, same_devices));
  if (same_devices) {
    CHECK(read_file(resumed / "best.safetensors") == read_file(whole / "best.safetensors"));
  } else {
    CHECK(weights_of(resumed) == weights_of(whole));
  }
  nlohmann::json a = json_of(whole / "result.json"), b = json_of(resumed / "result.json");
  for (const char* key : {"test_accuracy", "validation_accuracy", "train_accuracy", "best_epoch", "epochs", "stages"}) {
    INFO(key);
    CHECK(a[key] == b[key]);
  }
  if (same_devices) CHECK(a["bytes_sent"] == b["bytes_sent"]);
}

}  // namespace

TEST_CASE("a resumed run equals one that was never interrupted") {
  for (const Coded& coded : trainings()) {
    const ScratchFolder scratch;
    const Config config = small_config(joined(coded.overrides, {"devices=cpu:2"}));
    run_in(scratch / "whole", config);
    for (const std::int64_t epoch : {1, 4, 9, 10, 11, 17, 20}) {
      INFO(coded.name << ", stopped at epoch " << epoch);
      const fs::path run = scratch / ("stopped" + std::to_string(epoch));
      const TrainResult stopped = train_until(run, config, epoch);
      if (!stopped.interrupted) continue;  // the signal came when nothing was left to do
      CHECK_FALSE(fs::exists(run / "result.json"));
      CHECK(stopped.epoch >= epoch - 1);
      CHECK_FALSE(resume_run(run).interrupted);
      check_as_uninterrupted(scratch / "whole", run);
    }
  }
}

TEST_CASE("a run may be interrupted again and again") {
  const ScratchFolder scratch;
  const Config config = small_config(joined(codings()[2].overrides, {"devices=cpu:2"}));
  run_in(scratch / "whole", config);
  TrainResult last = train_until(scratch / "run", config, 2);
  int times = 0;
  while (last.interrupted) {
    REQUIRE(++times < 25);
    std::atomic<bool> stop{true};  // at once: every leg does one epoch
    TrainOptions options;
    options.stop = &stop;
    const std::int64_t before = last.epoch;
    last = resume_run(scratch / "run", options);
    CHECK(last.epoch <= before + 1);
  }
  CHECK(times >= 10);
  check_as_uninterrupted(scratch / "whole", scratch / "run");
}

TEST_CASE("a run goes on with another number of workers") {
  for (const Coded& coded : trainings()) {
    INFO(coded.name);
    const ScratchFolder scratch;
    const Config config = small_config(joined(coded.overrides, {"devices=cpu:2"}));
    run_in(scratch / "whole", config);
    for (const char* devices : {"cpu:1", "cpu:4"}) {
      REQUIRE(train_until(scratch / devices, config, 13).interrupted);
      set_devices(scratch / devices, devices);
      resume_run(scratch / devices);
      check_as_uninterrupted(scratch / "whole", scratch / devices, false);
    }
  }
}

TEST_CASE("a run whose newest checkpoint is damaged goes on from the one before") {
  const ScratchFolder scratch;
  const Config config = small_config({"train.checkpoint_every=3"});
  run_in(scratch / "whole", config);
  REQUIRE(train_until(scratch / "run", config, 8).interrupted);
  const auto newest = [&] {
    auto names = names_in(scratch / "run/checkpoints");
    return scratch / "run/checkpoints" / *std::max_element(names.begin(), names.end());
  }();
  REQUIRE(names_in(scratch / "run/checkpoints").size() == 2);
  write_file_atomic(newest, read_file(newest).substr(0, 100));
  Recorder recorder;
  resume(RunFolder::open(scratch / "run"), recorder);
  REQUIRE(recorder.warnings.size() == 1);
  check_as_uninterrupted(scratch / "whole", scratch / "run");
}

TEST_CASE("no line of the metrics is lost when the newest checkpoint is newer than they are") {
  const ScratchFolder scratch;
  const Config config = small_config({"train.checkpoint_every=3"});
  run_in(scratch / "whole", config);
  for (const std::size_t cut : {1, 20, 400}) {  // its newline, a part of the last line, two lines
    INFO(cut << " bytes are missing");
    const fs::path run = scratch / ("run" + std::to_string(cut));
    REQUIRE(train_until(run, config, 8).epoch >= 7);
    const std::string text = read_file(run / "metrics.jsonl");
    write_file_atomic(run / "metrics.jsonl", text.substr(0, text.size() - cut));
    resume_run(run);
    check_as_uninterrupted(scratch / "whole", run);
  }
  // Where no checkpoint is as old as the lines that are left, it says so.
  const fs::path run = scratch / "run";
  train_until(run, config, 8);
  fs::remove(run / "metrics.jsonl");
  Recorder recorder;
  resume(RunFolder::open(run), recorder);
  REQUIRE(recorder.warnings.size() == 1);
  check_says(recorder.warnings[0], "metrics.jsonl ends at epoch 0, before the checkpoint");
  CHECK(weights_of(run) == weights_of(scratch / "whole"));
}

TEST_CASE("a checkpoint of another config is not continued") {
  const ScratchFolder scratch;
  REQUIRE(train_until(scratch / "run", small_config(), 5).interrupted);
  nlohmann::ordered_json config = nlohmann::ordered_json::parse(read_file(scratch / "run/config.json"));
  config["method"]["nu"] = 0.5;
  config["method"]["rho"] = 0.5;
  write_file_atomic(scratch / "run/config.json", config.dump());
  check_says(error_of<ConfigError>([&] { resume_run(scratch / "run"); }),
             "a run cannot go on with another value of `method.nu` (0.01 to 0.5), `method.rho` (0.01 to 0.5). Only ");
}

TEST_CASE("a run without a checkpoint is not continued") {
  const ScratchFolder scratch;
  run_in(scratch / "run", small_config());
  check_says(error_of<DataError>([&] { resume_run(scratch / "run"); }), "holds no usable checkpoint");
}

}  // namespace gamlp::test
