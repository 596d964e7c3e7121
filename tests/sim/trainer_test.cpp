// The whole trainer — growth, evaluation, checkpoints, resume — on simulated devices.
#include <atomic>

#include "host/sim/sim_fleet.hpp"
#include "tests/train/support.hpp"

namespace gamlp::test {
namespace {

// Three stages, 2 → 5 → 17 layers.
Config deep_config(const std::vector<std::string>& overrides = {}) {
  Config config = small_config(joined(
      {"model.width=6", "dataset.generate.nodes=40", "dataset.generate.features=4", "dataset.split.train_per_class=4",
       "dataset.split.validation=8", "dataset.split.test=8", "train.checkpoint_every=4"},
      overrides));
  config.stages = {{2, 3}, {5, 3}, {17, 3}};
  return config;
}

// `kept` receives the simulator: when the run is over and all its memory freed, it must have nothing to report.
TrainOptions on_simulator(std::uint64_t seed, std::shared_ptr<sim::Simulator>* kept = nullptr) {
  TrainOptions options;
  options.create_fleet = [seed, kept](int devices) {
    sim::SimulatorOptions simulator;
    simulator.seed = seed;
    auto fleet = std::make_unique<SimFleet>(devices, simulator);
    if (kept != nullptr) *kept = fleet->share_simulator();
    return fleet;
  };
  return options;
}

}  // namespace

TEST_CASE("training on 1 … 16 simulated devices, 50 seeds, three stages: no report, and the run of one CPU worker") {
#ifdef NDEBUG
  constexpr std::uint64_t kSeeds = 50;
#else
  constexpr std::uint64_t kSeeds = 4;  // instrumented builds are several times slower; the Release build runs them all
#endif
  const std::vector<std::vector<std::string>> methods = {
      {"method.update=gradient"}, {"method.update=exact"}, {"method.name=adam", "method.microbatches=3"}};
  for (std::size_t method = 0; method < methods.size(); ++method) {
    const ScratchFolder scratch;
    Config config = deep_config(methods[method]);
    run_in(scratch / "one", config);
    const auto metrics = metrics_of(scratch / "one");
    const auto weights = weights_of(scratch / "one");
    for (int devices = 1; devices <= 16; ++devices) {
      config.devices = "cpu:" + std::to_string(devices);
      for (std::uint64_t seed = method; seed < kSeeds; seed += methods.size()) {  // the methods take turns
        const ScratchFolder run;
        INFO(methods[method].front() << ", " << devices << " devices, seed " << seed);
        std::shared_ptr<sim::Simulator> simulator;
        run_in(run / "run", config, on_simulator(seed, &simulator));
        REQUIRE_NOTHROW(simulator->finish());
        REQUIRE(metrics_of(run / "run") == metrics);
        REQUIRE(weights_of(run / "run") == weights);
      }
    }
  }
}

TEST_CASE("training on grids of simulated devices: no report, and the run of one CPU worker") {
#ifdef NDEBUG
  constexpr std::uint64_t kSeeds = 20;
#else
  constexpr std::uint64_t kSeeds = 2;
#endif
  const ScratchFolder scratch;
  Config config = deep_config({"method.name=adam", "method.microbatches=3"});
  run_in(scratch / "one", config);
  for (const auto& [devices, shards] : {std::pair{2, 2}, {3, 3}, {4, 2}, {8, 2}, {9, 3}, {12, 3}}) {
    config.devices = "cpu:" + std::to_string(devices);
    config.partition.shards = shards;
    for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
      const ScratchFolder run;
      config.partition.order = seed % 2 == 0 ? RankOrder::shards : RankOrder::layers;
      INFO(devices << " devices, " << shards << " shards, seed " << seed);
      std::shared_ptr<sim::Simulator> simulator;
      run_in(run / "run", config, on_simulator(seed, &simulator));
      REQUIRE_NOTHROW(simulator->finish());
      REQUIRE(metrics_of(run / "run") == metrics_of(scratch / "one"));
      REQUIRE(weights_of(run / "run") == weights_of(scratch / "one"));
    }
  }
}

TEST_CASE("a run interrupted on CPU workers goes on where it stopped after one on simulated devices, and back") {
  const ScratchFolder scratch;
  Config config = deep_config({"devices=cpu:3"});
  run_in(scratch / "whole", config);
  for (const bool simulated_first : {true, false}) {
    const fs::path run = scratch / (simulated_first ? "simulated first" : "worker first");
    std::atomic<bool> stop{false};
    TrainOptions first = simulated_first ? on_simulator(1) : TrainOptions{};
    first.stop = &stop;
    first.before_iteration = [&](int, std::int64_t epoch) {
      if (epoch == 5) stop = true;
    };
    REQUIRE(run_in(run, config, first).interrupted);
    Recorder recorder;
    resume(RunFolder::open(run), recorder, simulated_first ? TrainOptions{} : on_simulator(2));
    CHECK(metrics_of(run) == metrics_of(scratch / "whole"));
    CHECK(weights_of(run) == weights_of(scratch / "whole"));
  }
}

}  // namespace gamlp::test
