// ADMM on grids of layers × shards of the training nodes: the bits of one worker, whatever the grid.
#include <set>

#include "tests/methods/admm/compare.hpp"
#include "tests/methods/admm/wires.hpp"
#include "tests/methods/simulated.hpp"

using namespace gamlp;
using namespace gamlp::test;

namespace {

Setup setup_in_blocks(Update update, int blocks) {
  Setup s = setup_of(update, 0.05, 0.05);
  s.widths = {9, 8, 7, 8, 6, 4}, s.nodes = 37, s.blocks = blocks;
  s.admm.weight_decay_first = 0.1;
  s.admm.weight_decay = 0.01;
  s.admm.exact.kappa = 0.05;
  return s;
}

}  // namespace

TEST_CASE("any grid of layers and shards gives the bits of one worker") {
  for (const Update update : {Update::gradient, Update::exact}) {
    for (const Wire& wire : wires()) {
      for (const int blocks : {4, 7}) {  // 7 blocks: one of 8 nodes, the others of 4 and 5
        Setup s = setup_in_blocks(update, blocks);
        s.exchange = wire.exchange;
        const Start start = start_of(s);
        TrainingState one;
        std::vector<double> scalars;
        for (const Grid& grid : kGrids) {
          if (grid.shards > blocks) continue;
          grid.place(s);
          Training training(s, start, grid.workers);
          training.forward();
          training.iterate(0, 9);
          training.settle();
          const TrainingState state = training.state();
          if (one.empty()) one = state, scalars = training.scalars();
          INFO("update " << static_cast<int>(update) << ", " << wire.name << ", " << blocks << " blocks, "
                         << grid.workers << " workers, " << grid.shards << " shards");
          CHECK(first_difference(one, state) == "");
          CHECK(training.scalars() == scalars);
          for (const double x : scalars) CHECK(std::isfinite(x));
        }
      }
    }
  }
}

namespace {

// Staging memory of little more than one op needs: at most 9 views of 12 nodes, of a multiple of 256 bytes each.
constexpr std::size_t kLittleStaging = 9 * 512;

}  // namespace

TEST_CASE("tensors of nodes in the host's memory give the bits of those on the devices, on any grid") {
  for (const Update update : {Update::gradient, Update::exact}) {
    for (const Wire& wire : wires()) {
      Setup s = setup_in_blocks(update, 4);
      s.exchange = wire.exchange;
      const Start start = start_of(s);
      const auto trained = [&](int workers, int shards, std::size_t staging, std::size_t node_memory = 0) {
        s.shards = shards, s.staging = staging, s.node_memory = node_memory;
        Training training(s, start, workers);
        training.forward();
        training.iterate(0, 5);
        training.settle();
        // Through a save and a restore.
        training.restore(training.state());
        training.iterate(5, 4);
        training.settle();
        if (staging > 0) {
          const auto row = static_cast<std::size_t>(method_of(s)->values_of_op(s.widths)) * sizeof(float);
          CHECK(training.staging(0).largest() <= 12 * row + 9 * 256);
        }
        return training.state();
      };
      const TrainingState one = trained(1, 1, 0);
      for (const Grid& grid : std::vector<Grid>{{1, 1}, {3, 1}, {4, 2}}) {
        for (const std::size_t staging : {kLittleStaging, 4 * kLittleStaging}) {
          INFO("update " << static_cast<int>(update) << ", " << wire.name << ", " << grid.workers << " workers, "
                         << grid.shards << " shards, " << staging << " bytes");
          CHECK(first_difference(one, trained(grid.workers, grid.shards, staging)) == "");
        }
        CHECK(first_difference(one, trained(grid.workers, grid.shards, kLittleStaging, 5000)) == "");
      }
    }
  }
}

TEST_CASE("blocks change the sums by rounding alone") {
  for (const Update update : {Update::gradient, Update::exact}) {
    for (const Wire& wire : wires()) {
      // A range is one of a block, so that only codes without ranges are the same in all.
      const bool ranged = wire.exchange.p.bits < 32 && wire.exchange.p.range != Range::fixed;
      if (ranged) continue;
      std::vector<double> whole;
      for (const int blocks : {1, 4}) {
        Setup s = setup_in_blocks(update, blocks);
        s.exchange = wire.exchange;
        Training training(s, start_of(s), 1);
        training.forward();
        training.iterate(0, 7);
        const std::vector<double> scalars = training.scalars();
        if (whole.empty()) whole = scalars;
        for (std::size_t i = 0; i < scalars.size(); ++i) {
          INFO("update " << static_cast<int>(update) << ", " << wire.name << ", scalar " << i);
          CHECK(scalars[i] == Approx(whole[i]).epsilon(1e-3).margin(1e-9));
        }
      }
    }
  }
}

TEST_CASE("shards follow the reference") {
  for (const Update update : {Update::gradient, Update::exact}) {
    for (const auto& [workers, shards] : {std::pair{1, 1}, {2, 2}, {6, 3}}) {
      Setup s = setup_in_blocks(update, 5);
      s.shards = shards;
      compare_with_reference(s, 4, workers);
    }
  }
}

TEST_CASE("layer 1 in QR coordinates trains over shards to the same bits") {
  Setup s = setup_in_blocks(Update::gradient, 3);
  s.widths.front() = 60;
  Start start = start_of(s);
  const TrainingInput input = make_training_input(std::move(start.x), InputKind::qr);
  start.network.front().w = Matrix(8, s.nodes);
  for (std::int64_t i = 0; i < start.network.front().w.size(); ++i) {
    start.network.front().w.data()[i] = static_cast<float>(i % 7) * 0.05f - 0.15f;
  }
  TrainingState one;
  for (const Grid& grid : std::vector<Grid>{{1, 1}, {2, 2}, {6, 3}}) {
    s.shards = grid.shards;
    Training training(s, input, start.labels, start.network, grid.workers);
    training.forward();
    training.iterate(0, 6);
    const TrainingState state = training.state();
    if (one.empty()) one = state;
    INFO(grid.workers << " workers");
    CHECK(first_difference(one, state) == "");
  }
}

TEST_CASE("a state that a grid has saved goes on on another to the same bits") {
  for (const Update update : {Update::gradient, Update::exact}) {
    for (const Wire& wire : wires()) {
      Setup s = setup_in_blocks(update, 6);
      s.exchange = wire.exchange;
      const Start start = start_of(s);
      s.shards = 3;
      Training whole(s, start, 6);
      whole.forward();
      whole.iterate(0, 5);
      const TrainingState saved = whole.state();
      whole.iterate(5, 3);
      const TrainingState expected = whole.state();
      for (const Grid& grid : std::vector<Grid>{{1, 1}, {2, 2}, {5, 1}, {12, 6}}) {
        s.shards = grid.shards;
        Training other(s, start, grid.workers);
        other.restore(saved);
        CHECK(first_difference(saved, other.state()) == "");
        other.iterate(5, 3);
        INFO("update " << static_cast<int>(update) << ", " << wire.name << ", " << grid.workers << " workers, "
                       << grid.shards << " shards");
        CHECK(first_difference(expected, other.state()) == "");
      }
    }
  }
}

// What the devices of a range send each other in an iteration, by the sizes of what they add up and share.
TEST_CASE("shards send what their sums need, and no more") {
  for (const Update update : {Update::gradient, Update::exact}) {
    for (const std::int64_t bits : {8, 32}) {
      for (const int members : {2, 3, 4}) {
        Setup s = setup_in_blocks(update, 4);
        s.exchange.p.bits = s.exchange.q.bits = bits;
        s.shards = members;
        const Start start = start_of(s);
        const BlockSums sums(Parts::even(4, members, 1));
        const auto padded = [](std::int64_t values) { return (values + 3) / 4 * 4; };
        const std::int64_t others = members - 1;
        // Doubles that each block gives, padded to two.
        const auto scalars = [&](std::int64_t values) { return 4 * others * 8 * ((values + 1) / 2 * 2); };
        std::int64_t expected = 0, once = 0;
        const int layers = static_cast<int>(s.widths.size()) - 1;
        for (int l = 1; l <= layers; ++l) {
          const std::int64_t n = s.widths[static_cast<std::size_t>(l) - 1], m = s.widths[static_cast<std::size_t>(l)];
          expected += scalars(7);
          if (update == Update::gradient) {
            const std::int64_t values = padded(m * n);
            const Parts parts = Parts::even(values, members, 64);
            for (int k = 0; k < members; ++k) {
              expected += 4 * (sums.given().size(k) * (values - parts.size(k)) + others * parts.size(k));
            }
            expected += scalars(1) + scalars(m);
            if (l > 1) expected += scalars(2);
            if (l > 1 && bits < 32) once += scalars(2);  // the first gradient's τ
            continue;
          }
          const std::int64_t row = (l > 1 ? padded(n * n) + padded(n) : 0) + padded(m * n) + padded(m);
          const int owner = (l - 1) % members;
          expected += 4 * (sums.given().total() - sums.given().size(owner)) * row;
          expected += 4 * others * (m * n + m);
          if (l > 1) expected += 4 * others * (n * n + m * n);
          if (l == 1) once += 4 * (sums.given().total() - sums.given().size(0)) * (padded(n * n) + padded(n));
        }
        Training training(s, start, members);
        training.forward();
        training.iterate(0, 9);
        training.settle();
        INFO("update " << static_cast<int>(update) << ", " << bits << " bits, " << members << " shards");
        CHECK(training.bytes_sent() == static_cast<std::uint64_t>(9 * expected + once));
      }
    }
  }
}

TEST_CASE("ADMM on a grid has no race and no deadlock, wherever tensors of nodes are") {
  for (const Update update : {Update::gradient, Update::exact}) {
    for (const std::int64_t bits : {8, 32}) {
      for (const auto& [devices, shards, order, per_host] : std::vector<Grid>{
               {2, 2}, {4, 2}, {6, 3}, {10, 2}, {5, 5}, {4, 4, RankOrder::shards, 2}, {12, 4, RankOrder::layers, 6}}) {
        for (const std::uint64_t seed : {1, 2, 3}) {
          Setup s = setup_in_blocks(update, 5);
          s.order = order, s.per_host = per_host;
          s.staging = seed > 1 ? 2 * kLittleStaging : 0;
          s.node_memory = seed == 3 ? 5000 : 0;
          s.exchange.p.bits = s.exchange.q.bits = bits;
          s.shards = shards;
          INFO("update " << static_cast<int>(update) << ", " << bits << " bits, " << devices << " devices, " << shards
                         << " shards");
          const auto fault = fault_of_training(s, devices, {}, seed);
          INFO((fault ? fault->what() : ""));
          CHECK_FALSE(fault.has_value());
        }
      }
    }
  }
}

TEST_CASE("every wait of an ADMM grid that is removed is found as a race") {
  const auto simulated = [](Update update, std::int64_t bits, int devices, const FaultyContexts& contexts,
                            std::uint64_t seed) {
    Setup s = setup_in_blocks(update, 6);
    s.exchange.p.bits = s.exchange.q.bits = bits;
    s.shards = 2;
    return fault_of_training(s, devices, contexts, seed);
  };
  // Messages follow each other on their stream, so a wait for later ones does as well. Without shards the waits for
  // neighbours' messages are needed (tests/sim/faults_test.cpp).
  const std::set<std::string> implied = {
      "the p message from the right", "the q message from the left",
      "the p message to the left until that of two iterations ago is sent",
      "the p message to the left, and that of two iterations ago from the right until it is used",
      "the sums for τ of the other shards"};
  std::set<std::string> all;
  for (const Update update : {Update::gradient, Update::exact}) {
    for (const std::int64_t bits : {8, 32}) {
      std::set<std::string> waits;
      REQUIRE_FALSE(simulated(update, bits, 6, listening(waits), 1).has_value());
      for (const std::string& removed : waits) {
        if (implied.contains(removed)) continue;
        bool found = false;  // some order of the streams shows it
        for (std::uint64_t seed = 1; seed <= 10 && !found; ++seed) {
          const int devices = seed % 2 == 0 ? 6 : 2;  // alone in its shard a device has no neighbour to wait for
          const auto fault = simulated(update, bits, devices, without_wait(removed), seed);
          found = fault && fault->kind == sim::FaultKind::race;
        }
        INFO("update " << static_cast<int>(update) << ", " << bits << " bits, without the wait for " << removed);
        CHECK(found);
      }
      all.merge(waits);
    }
  }
  CHECK(all.size() == 23);
}
