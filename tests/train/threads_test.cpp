// Runs with several workers, short: also run under ThreadSanitizer.
#include <atomic>

#include "tests/train/support.hpp"

namespace gamlp::test {

TEST_CASE("four workers train, stop and go on", "[threads]") {
  for (const char* update : {"gradient", "exact"}) {
    INFO(update);
    const ScratchFolder scratch;
    Config config = small_config({"devices=cpu:4", std::string("method.update=") + update, "stages.0.epochs=4",
                                  "stages.1.epochs=5", "train.checkpoint_every=3"});
    run_in(scratch / "whole", config);
    std::atomic<bool> stop{false};
    TrainOptions options;
    options.stop = &stop;
    options.before_iteration = [&](int, std::int64_t epoch) {
      if (epoch == 6) stop = true;
    };
    REQUIRE(run_in(scratch / "run", config, options).interrupted);
    Recorder recorder;
    resume(RunFolder::open(scratch / "run"), recorder);
    CHECK(metrics_of(scratch / "run") == metrics_of(scratch / "whole"));
  }
}

TEST_CASE("a failing worker stops the others", "[threads]") {
  for (const int rank : {0, 2, 3}) {
    const ScratchFolder scratch;
    TrainOptions options;
    options.before_iteration = [=](int at, std::int64_t epoch) {
      if (at == rank && epoch == 7) throw std::runtime_error("injected");
    };
    const Config config = small_config({"devices=cpu:4", "stages.0.epochs=4", "stages.1.epochs=5"});
    check_says(error_of<DeviceError>([&] { run_in(scratch / "run", config, options); }),
               "worker cpu:" + std::to_string(rank) + " failed: injected");
  }
}

}  // namespace gamlp::test
