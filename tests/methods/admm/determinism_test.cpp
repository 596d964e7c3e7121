// Bit-identical training for any number of workers and for repeated runs.
#include "tests/methods/admm/compare.hpp"
#include "tests/methods/admm/wires.hpp"

using namespace gamlp;
using namespace gamlp::test;

TEST_CASE("any number of workers and any repetition give the same bits") {
  for (const Update update : {Update::gradient, Update::exact}) {
    for (const Wire& wire : wires()) {
      Setup s = setup_of(update, 0.05, 0.05);
      s.widths = {9, 8, 7, 8, 6, 4}, s.nodes = 37;
      s.admm.weight_decay_first = 0.1;
      s.admm.exact.kappa = 0.05;
      s.exchange = wire.exchange;
      const Start start = start_of(s);
      TrainingState one;
      std::vector<double> scalars;
      std::uint64_t boundary_bytes = 0;
      for (const int workers : {1, 1, 2, 3, 4, 5, 5}) {
        Training training(s, start, workers);
        training.forward();
        training.iterate(0, 9);
        training.settle();
        const TrainingState state = training.state();
        if (one.empty()) {
          one = state, scalars = training.scalars();
          CHECK(training.bytes_sent() == 0);
          for (const auto& [name, tensor] : state) {
            if (tensor.item_bytes != 4 || name == "iteration") continue;
            bool finite = true;
            for (const float x : values_of(state, name)) finite = finite && std::isfinite(x);
            INFO(wire.name << ": " << name);
            CHECK(finite);
          }
          continue;
        }
        INFO("update " << static_cast<int>(update) << ", " << wire.name << ", " << workers << " workers");
        REQUIRE(training.workers() == workers);
        CHECK(first_difference(one, state) == "");
        CHECK(training.scalars() == scalars);
        if (workers == 5 && boundary_bytes == 0) {
          // Bytes from the message sizes: the keyframe, then p and q of every boundary in every iteration.
          boundary_bytes = training.bytes_sent();
          std::uint64_t expected = 0;
          for (std::size_t l = 1; l + 1 < s.widths.size(); ++l) {
            const std::int64_t values = s.nodes * s.widths[l];
            expected += static_cast<std::uint64_t>(values * 4);
            for (std::int64_t epoch = 0; epoch < 9; ++epoch) {
              std::int64_t bits = 0;
              for (const auto& entry : wire.exchange.schedule) bits = epoch >= entry.epoch ? entry.bits : bits;
              expected += static_cast<std::uint64_t>(wire_format(wire.exchange.p, bits).message_bytes(values));
              expected += static_cast<std::uint64_t>(wire_format(wire.exchange.q, bits).message_bytes(values));
            }
          }
          CHECK(boundary_bytes == expected);
        }
      }
    }
  }
}

TEST_CASE("the reduced inputs train the same bits on any number of workers") {
  for (const InputKind kind : {InputKind::qr, InputKind::kernel}) {
    Setup s = setup_of(kind == InputKind::kernel ? Update::exact : Update::gradient, 0.05, 0.05);
    s.widths = {40, 6, 6, 4}, s.nodes = 12;
    s.admm.weight_decay_first = 0.5;
    Start start = start_of(s);
    const TrainingInput input = make_training_input(std::move(start.x), kind);
    start.network.front().w = Matrix(6, 12);
    for (std::int64_t i = 0; i < 72; ++i) start.network.front().w.data()[i] = static_cast<float>(i % 7) * 0.05f - 0.15f;
    TrainingState one;
    for (const int workers : {1, 2, 3, 3}) {
      Training training(s, input, start.labels, start.network, workers);
      training.forward();
      training.iterate(0, 8);
      const TrainingState state = training.state();
      if (one.empty()) one = state;
      INFO(input_kind_name(kind) << ", " << workers << " workers");
      CHECK(first_difference(one, state) == "");
    }
  }
}

TEST_CASE("another seed rounds otherwise") {
  Setup s = setup_of(Update::gradient, 0.05, 0.05);
  for (CodecConfig* c : {&s.exchange.p, &s.exchange.q}) c->bits = 4, c->rounding = Rounding::stochastic;
  const Start start = start_of(s);
  Training a(s, start, 1);
  s.seed = 2;
  Training b(s, start, 1);
  for (Training* t : {&a, &b}) t->forward(), t->iterate(0, 3);
  CHECK(first_difference(a.state(), b.state()) != "");
}

TEST_CASE("nets of one node and one neuron run with every update and wire") {
  for (const Update update : {Update::gradient, Update::exact}) {
    for (const Wire& wire : wires()) {
      for (const std::int64_t nodes : {1, 2}) {
        Setup s = setup_of(update, 0.05, 0.05);
        s.widths = {1, 1, 1, 2}, s.nodes = nodes;
        s.exchange = wire.exchange;
        const Start start = start_of(s);
        Training training(s, start, 3);
        training.forward();
        training.iterate(0, 7);
        INFO("update " << static_cast<int>(update) << ", " << wire.name << ", " << nodes << " nodes");
        CHECK(std::isfinite(training.objective()));
      }
    }
  }
}
