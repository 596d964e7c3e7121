// The real iteration on 1 … 16 simulated devices: no report, and the bits of one CPU worker.
#include "tests/methods/training.hpp"
#include "tests/sim/faults.hpp"

using namespace gamlp;
using namespace gamlp::test;

namespace {

#ifdef NDEBUG
constexpr std::uint64_t kSeeds = 50;
#else
constexpr std::uint64_t kSeeds = 6;  // instrumented builds are many times slower; the Release build runs them all
#endif

std::unique_ptr<SimFleet> sim_fleet(int devices, std::uint64_t seed) {
  sim::SimulatorOptions options;
  options.seed = seed;
  return std::make_unique<SimFleet>(devices, options);
}

// 17 layers, so that 16 devices own a layer each and one of them two.
Setup deep_setup(Update update) {
  Setup s = setup_of(update, 0.05, 0.05);
  s.widths = {5};
  for (int l = 0; l < 16; ++l) s.widths.push_back(4 + l % 3);
  s.widths.push_back(3);
  s.nodes = 9;
  s.admm.weight_decay_first = 0.1;
  return s;
}

// What a run leaves: state after `iterations`, through a forward pass, iterations, a save and a restore.
TrainingState run(Training& training) {
  training.forward();
  training.iterate(0, 4);
  training.settle();
  const TrainingState middle = training.state();
  training.restore(middle);
  training.iterate(4, 3);
  training.settle();
  return training.state();
}

}  // namespace

TEST_CASE("no report, and the bits of one CPU worker: 1 … 16 devices, 50 seeds") {
  for (const Update update : {Update::gradient, Update::exact}) {
    Setup s = deep_setup(update);
    for (CodecConfig* c : {&s.exchange.p, &s.exchange.q}) {
      c->bits = 2, c->coding = Coding::difference, c->range = Range::block, c->block = 16;
    }
    s.exchange.schedule = {{2, 8}};
    const Start start = start_of(s);
    Training worker(s, start, 1);
    const TrainingState expected = run(worker);
    for (int devices = 1; devices <= 16; ++devices) {
      // The seeds go round between the two updates: 50 for every number of devices.
      for (std::uint64_t seed = update == Update::exact; seed < kSeeds; seed += 2) {
        auto fleet = sim_fleet(devices, seed);
        const auto simulator = fleet->share_simulator();
        INFO("update " << static_cast<int>(update) << ", " << devices << " devices, seed " << seed);
        {
          Training training(s, start, std::move(fleet));
          REQUIRE(first_difference(expected, run(training)) == "");
        }
        simulator->finish();  // also of the memory that was freed meanwhile
      }
    }
  }
}

TEST_CASE("every wire format and the reduced inputs run clean on simulated devices") {
  for (const std::int64_t bits : {1, 4, 8, 16, 32}) {
    for (const Coding coding : {Coding::value, Coding::difference}) {
      for (const InputKind kind : {InputKind::plain, InputKind::qr, InputKind::kernel}) {
        Setup s = setup_of(kind == InputKind::kernel ? Update::exact : Update::gradient, 0.05, 0.05);
        s.widths = {40, 6, 6, 4}, s.nodes = 12;
        s.admm.weight_decay_first = 0.5;
        for (CodecConfig* c : {&s.exchange.p, &s.exchange.q}) {
          c->bits = bits, c->coding = coding, c->error_feedback = coding == Coding::value && bits < 32;
        }
        Start start = start_of(s);
        const TrainingInput input = make_training_input(std::move(start.x), kind);
        start.network.front().w = Matrix(6, input.inputs());
        for (float& w : start.network.front().w.view().flat()) w = 0.1f;
        TrainingState expected;
        for (const int devices : {0, 1, 2, 3}) {  // 0: a CPU worker
          std::unique_ptr<Fleet> fleet = devices == 0 ? create_cpu_fleet(1, 1) : sim_fleet(devices, 3);
          Training training(s, input, start.labels, start.network, std::move(fleet));
          const TrainingState state = run(training);
          if (devices == 0) expected = state;
          INFO(bits << " bits, " << input_kind_name(kind) << ", " << devices << " devices");
          CHECK(first_difference(expected, state) == "");
        }
      }
    }
  }
}
