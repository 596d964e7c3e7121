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
      const std::string message = error_of<DeviceError>(
          [&, rank = rank, epoch = epoch] { run_in(scratch / "run", config, throwing_at(rank, epoch)); });
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
  for (const char* devices : {"cpu:1", "cpu:4"}) {
    INFO(devices);
    const ScratchFolder scratch;
    const Config config = small_config({"train.checkpoint_every=1", std::string("devices=") + devices});
    error_of<DeviceError>([&] { run_in(scratch / "run", config, throwing_at(0, 15)); });
    const fs::path folder = scratch / "run/checkpoints";
    std::vector<std::string> warnings;
    Checkpoint checkpoint = load_latest_checkpoint(folder, warnings);
    REQUIRE(checkpoint.epoch >= 13);
    // Finite, but so large that the square of the residual is not.
    for (std::byte& byte : checkpoint.state.at("z2").data) byte = std::byte{0x7e};
    const fs::path path = checkpoint_path(folder, checkpoint.epoch);
    save_checkpoint(path, checkpoint);
    const std::string saved = read_file(path);

    Recorder recorder;
    const std::string message = error_of<DivergenceError>([&] { resume(RunFolder::open(scratch / "run"), recorder); });
    check_says(message, "diverged at epoch " + std::to_string(checkpoint.epoch + 1) + ", layer ");
    check_says(message, "is not finite");
    CHECK_FALSE(fs::exists(scratch / "run/result.json"));
    CHECK_FALSE(holds_temporary_files(scratch / "run"));
    CHECK(load_latest_checkpoint(folder, warnings).epoch == checkpoint.epoch);
    CHECK(read_file(path) == saved);
  }
}

TEST_CASE("a checkpoint that does not fit the run is refused") {
  const ScratchFolder scratch;
  const Config config = small_config({"devices=cpu:2", "train.checkpoint_every=1"});
  error_of<DeviceError>([&] { run_in(scratch / "run", config, throwing_at(0, 15)); });
  const fs::path folder = scratch / "run/checkpoints";
  std::vector<std::string> warnings;
  const Checkpoint good = load_latest_checkpoint(folder, warnings);
  struct Bad {
    const char* name;
    std::function<void(Checkpoint&)> damage;
    const char* message;
  };
  const std::vector<Bad> corpus = {
      {"a tensor less", [](Checkpoint& c) { c.state.erase("z2"); }, "tensor \"z2\" is missing"},
      {"a tensor of another shape", [](Checkpoint& c) { std::swap(c.state.at("z2").rows, c.state.at("z2").cols); },
       "tensor \"z2\" is 16"},
      {"a tensor of other items",
       [](Checkpoint& c) {
         HostTensor& z = c.state.at("z2");
         z.item_bytes = 8;
         z.data.resize(z.data.size() * 2);
       },
       "tensor \"z2\""},
      {"a stage that there is not", [](Checkpoint& c) { c.stage = 3; }, "stage 3 is not in the config"},
      {"stage 0", [](Checkpoint& c) { c.stage = 0; }, "stage 0 is not in the config"},
      {"an epoch beyond the stage", [](Checkpoint& c) { c.stage_epoch = 11; }, "stage_epoch"},
      {"an epoch before the first", [](Checkpoint& c) { c.stage_epoch = -1; }, "stage_epoch"},
      {"a complete stage without best weights",
       [](Checkpoint& c) {
         c.stage_complete = true;
         c.best = {};
       },
       "best weights"},
      {"best weights of fewer layers", [](Checkpoint& c) { c.best.network.pop_back(); }, "best weights"},
      {"no stage before", [](Checkpoint& c) { c.best_of_stages.clear(); }, "best weights of 0 stages before stage 2"},
      {"a stage before of other inputs", [](Checkpoint& c) { c.best_of_stages[0].network[0].w = Matrix(16, 3); },
       "best weights of a stage before stage 2 are not of its shape"},
      {"a stage before that was never evaluated", [](Checkpoint& c) { c.best_of_stages[0].network.clear(); },
       "best weights of a stage before stage 2 are not of its shape"},
      {"inputs of another length", [](Checkpoint& c) { c.input_probe.pop_back(); }, "inputs of layer 1 are not those"},
      {"a dataset that has changed", [](Checkpoint& c) { c.input_probe[7] += 1.0; }, "inputs of layer 1 are not those"},
      {"best weights of other inputs", [](Checkpoint& c) { c.best.network[0].w = Matrix(16, 3); }, "best weights"},
  };
  for (const Bad& bad : corpus) {
    INFO(bad.name);
    Checkpoint damaged = good;
    bad.damage(damaged);
    fs::remove_all(folder);
    fs::create_directory(folder);
    save_checkpoint(checkpoint_path(folder, good.epoch), damaged);
    Recorder recorder;
    check_says(error_of<DataError>([&] { resume(RunFolder::open(scratch / "run"), recorder); }), bad.message);
    CHECK_FALSE(fs::exists(scratch / "run/result.json"));
  }
  // Inputs that differ by rounding go on, with a warning; those that nothing is known of without.
  for (const bool known : {true, false}) {
    Checkpoint other = good;
    known ? void(other.input_probe[7] *= 1.0 + 1e-6) : other.input_probe.clear();
    fs::remove_all(folder);
    fs::create_directory(folder);
    save_checkpoint(checkpoint_path(folder, good.epoch), other);
    Recorder recorder;
    CHECK(resume(RunFolder::open(scratch / "run"), recorder).json["epochs"] == 20);
    CHECK(recorder.warnings.size() == (known ? 1 : 0));
    if (known) check_says(recorder.warnings.front(), "the inputs of layer 1 differ by ");
  }
}

}  // namespace gamlp::test
