// Workers that fail and runs that diverge: a clear error, no hang, and the last good checkpoint stays.
#include <chrono>

#include "tests/train/support.hpp"

namespace gamlp::test {
namespace {

TrainOptions throwing_at(int rank, std::int64_t epoch) {
  TrainOptions options;
  options.before_iteration = [=](int at_rank, std::int64_t at_epoch) {
    if (at_rank == rank && at_epoch == epoch) throw std::runtime_error("injected");
  };
  return options;
}

}  // namespace

TEST_CASE("a worker that throws ends the run with its name, at any rank and epoch") {
  for (const char* update : {"gradient", "exact"}) {
    for (const auto& [rank, epoch] : {std::pair{0, 1}, {1, 1}, {0, 10}, {1, 7}, {2, 11}, {3, 15}, {3, 20}}) {
      INFO(update << ", worker " << rank << ", epoch " << epoch);
      const ScratchFolder scratch;
      const Config config =
          small_config({"devices=cpu:4", std::string("method.update=") + update, "train.checkpoint_every=5"});
      const auto start = std::chrono::steady_clock::now();
      const std::string message =
          error_of<DeviceError>([&] { run_in(scratch / "run", config, throwing_at(rank, epoch)); });
      check_says(message, "worker cpu:" + std::to_string(rank) + " failed: injected");
      CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(10));
      CHECK_FALSE(fs::exists(scratch / "run/result.json"));
      CHECK_FALSE(holds_temporary_files(scratch / "run"));
      if (epoch < 8) continue;
      // What was saved before goes on.
      Recorder recorder;
      CHECK(resume(RunFolder::open(scratch / "run"), recorder).json["epochs"] == 20);
    }
  }
}

TEST_CASE("a run that diverges names the layer and keeps the last good checkpoint") {
  const ScratchFolder scratch;
  // Weights so large that squares of the first layer overflow float32.
  const Config config = small_config({"method.init_scale_first=1e30", "train.checkpoint_every=1", "devices=cpu:2"});
  const std::string message = error_of<DivergenceError>([&] { run_in(scratch / "run", config); });
  check_says(message, "diverged at epoch 1, layer ");
  check_says(message, "is not finite");
  CHECK_FALSE(fs::exists(scratch / "run/result.json"));
  CHECK(fs::is_empty(scratch / "run/checkpoints"));  // nothing good was there to keep
}

}  // namespace gamlp::test
