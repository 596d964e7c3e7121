// Backpropagation against the double reference, over any partition, and under planted faults.
#include "tests/reference/backprop.hpp"

#include <algorithm>
#include <set>

#include "host/math/dropout.hpp"
#include "host/math/permutation.hpp"
#include "host/methods/backprop/rounded_exchange.hpp"
#include "host/methods/gradient/learning_rates.hpp"
#include "tests/methods/gradient_reference.hpp"
#include "tests/methods/simulated.hpp"
#include "tests/support/catch.hpp"

using namespace gamlp;
using namespace gamlp::test;
using sim::FaultKind;

namespace {

const std::vector<std::string> kMethods = {"gd", "nesterov", "adadelta", "adagrad", "adam"};

Setup deep_setup(const std::string& name, double rate, std::int64_t microbatches) {
  Setup s = setup_of(name, rate, microbatches);
  s.widths = {6, 5, 7, 4, 5, 3};
  s.nodes = 23;
  s.weight_scale = 0.6;
  return s;
}

const std::vector<ActivationRule> kActivations = {
    {Activation::relu, 0.0f}, {Activation::leaky_relu, 0.2f}, {Activation::tanh, 0.0f}};

}  // namespace

TEST_CASE("the reference's gradient is that of finite differences") {
  // Any factors will do.
  const reference::Mask some = [](std::size_t l, std::int64_t i, std::int64_t j) {
    return static_cast<double>((3 * static_cast<std::int64_t>(l) + 5 * i + 7 * j) % 4);
  };
  const std::pair<ActivationRule, reference::Mask> cases[] = {
      {kActivations[0], {}}, {kActivations[1], {}}, {kActivations[2], {}}, {kActivations[2], some}};
  for (const auto& one : cases) {
    const ActivationRule& rule = one.first;
    const reference::Mask& mask = one.second;
    const Start start = start_of(deep_setup("gd", 1.0, 1));
    const Data data(start);
    const reference::Activation f = reference_of(rule);
    const reference::Mlp mlp = mlp_of(start.network);
    const std::vector<double> g = numbers(reference::gradient(mlp, data.x, data.labels, f, mask));
    const double h = 1e-6;
    double worst = 0.0;
    for (std::size_t k = 0; k < g.size(); ++k) {
      const auto loss = [&](double change) {
        reference::Mlp moved = mlp;
        reference::each_number(moved, [&](std::size_t i, double& value) { value += i == k ? change : 0.0; });
        return reference::mean_loss(moved, data.x, data.labels, f, mask);
      };
      worst = std::max(worst, std::fabs((loss(h) - loss(-h)) / (2 * h) - g[k]));
    }
    CHECK(worst < 1e-8);  // losses of about 1 are known to 1e-16: differences over 2h to 1e-10
    CHECK(*std::max_element(g.begin(), g.end()) > 1e-2);
  }
}

TEST_CASE("one step of gradient descent follows the reference's gradient, and reports its loss") {
  for (const ActivationRule& rule : kActivations) {
    for (const std::int64_t microbatches : {1, 2, 5, 23}) {
      Setup s = deep_setup("gd", 1.0, microbatches);
      s.activation = rule;
      const Start start = start_of(s);
      const Data data(start);
      Training training(s, start, 3);
      training.forward();
      training.iterate(0, 1);
      const reference::Mlp before = mlp_of(start.network);
      const std::vector<double> from = numbers(before), to = numbers(mlp_of(training.network())),
                                g = numbers(reference::gradient(before, data.x, data.labels, reference_of(rule)));
      double worst = 0.0;
      for (std::size_t i = 0; i < g.size(); ++i) worst = std::max(worst, std::fabs(from[i] - to[i] - g[i]));
      // Weights of up to about 2 and sums of 23 terms of size 1 in float32.
      CHECK(worst < 30 * 0x1p-23);
      const double risk = training.scalars().back();
      const double loss = reference::mean_loss(before, data.x, data.labels, reference_of(rule));
      CHECK(risk == Approx(loss * static_cast<double>(s.nodes)).epsilon(1e-5));
    }
  }
}

namespace {

constexpr int kSteps = 12;

// The method, its weight decay, and what else differs.
struct Variant {
  std::string name;
  double decay = 0.0;
  bool decoupled = false;
  ScheduleConfig schedule = {};
  double dropout = 0.0;
};

std::vector<Variant> variants() {
  std::vector<Variant> all;
  for (const std::string& name : kMethods) {
    for (const double decay : {0.0, 0.05}) all.push_back({name, decay});
    all.push_back({name, 0.05, false, {ScheduleKind::cosine, 4, 0.25}});
    all.push_back({name, 0.0, false, {}, 0.4});
  }
  all.push_back({"adam", 0.5, true});
  all.push_back({"adam", 0.5, true, {ScheduleKind::step, 0, 0.0, 3, 0.5}, 0.2});
  return all;
}

}  // namespace

TEST_CASE("every optimiser follows PyTorch's definition") {
  const int steps = kSteps;
  for (const Variant& v : variants()) {
    const std::string name = v.name;
    const double decay = v.decay;
    const double rate = name == "adadelta" ? 1.0 : 0.02;
    Setup s = deep_setup(name, rate, 2);
    s.activation = kActivations[1];
    s.epochs = steps;
    s.backprop.optimizer.weight_decay = decay;
    s.backprop.optimizer.decoupled_weight_decay = v.decoupled;
    s.backprop.optimizer.schedule = v.schedule;
    s.backprop.dropout = v.dropout, s.backprop.input_dropout = v.dropout / 2;
    const Start start = start_of(s);
    const Data data(start);
    const reference::Activation f = reference_of(s.activation);
    const auto trained = [&](std::uint64_t noise) {
      reference::OptimizerSettings settings;
      settings.name = name, settings.rate = rate, settings.decay = decay, settings.eps = *s.backprop.optimizer.eps;
      settings.decoupled = v.decoupled;
      settings.rates = learning_rates(s.backprop.optimizer, steps);
      reference::Optimizer optimizer(settings);
      reference::Mlp mlp = mlp_of(start.network);
      Random random(noise);
      for (int i = 0; i < steps; ++i) {
        const auto step = static_cast<std::uint32_t>(i);
        const reference::Mask mask = [&](std::size_t l, std::int64_t node, std::int64_t column) {
          const double share = l == 0 ? v.dropout / 2 : v.dropout;
          const DropoutRule drop(dropout_key(s.seed, static_cast<int>(l) + 1), step, share);
          return static_cast<double>(drop(1.0f, static_cast<std::uint32_t>(node * s.widths[l] + column)));
        };
        reference::Mlp g = reference::gradient(mlp, data.x, data.labels, f, v.dropout > 0 ? mask : reference::Mask());
        // What float32 may do to sums of some 20 terms whose magnitudes are a few times the largest gradient's.
        std::vector<double> all = numbers(g);
        const double size = std::max(*std::max_element(all.begin(), all.end()), 1e-3);
        if (noise > 0) {
          reference::each_number(g, [&](std::size_t, double& x) { x += 8 * 0x1p-24 * size * random.normal(); });
        }
        optimizer.step(mlp, std::move(g));
      }
      return numbers(mlp);
    };
    const std::vector<double> exact = trained(0);
    double allowed = 0x1p-22 * steps;
    for (const std::uint64_t noise : {1, 2, 3}) {
      allowed = std::max(allowed, 8.0 * largest_difference(exact, trained(noise)));
    }
    Training training(s, start, 2);
    training.forward();
    training.iterate(0, steps);
    INFO(name << ", weight decay " << decay << (v.decoupled ? " decoupled" : "") << ", dropout " << v.dropout
              << ", schedule " << std::string(name_of(v.schedule.kind)) << ", allowed " << allowed);
    CHECK(largest_difference(exact, numbers(mlp_of(training.network()))) <= allowed);
    const double moved = largest_difference(exact, numbers(mlp_of(start.network)));
    CHECK(allowed < 0.02 * moved);  // the test can tell
  }
}

TEST_CASE(
    "gradient descent is the same in the coordinates of QR, optimisers that scale weights by themselves are not") {
  for (const std::string& name : kMethods) {
    Setup s = setup_of(name, name == "adadelta" ? 1.0 : 0.02, 2);
    s.widths = {60, 7, 6, 3}, s.nodes = 14, s.weight_scale = 0.2;
    Start start = start_of(s);
    const TrainingInput input = make_training_input(copy_of(start.x), InputKind::qr);
    REQUIRE(input.inputs() == s.nodes);
    Network reduced = start.network;
    reduced.front().w = Matrix(7, s.nodes);
    Random random(3);
    for (float& w : reduced.front().w.view().flat()) w = static_cast<float>(0.2 * random.normal());
    start.network.front() = input.expanded(reduced.front());
    Training full(s, start, 1), less(s, input, start.labels, reduced, 2);
    full.forward(), less.forward();
    full.iterate(0, 30), less.iterate(0, 30);
    Network got = less.network();
    got.front() = input.expanded(got.front());
    const std::vector<double> from = numbers(mlp_of(start.network)), to = numbers(mlp_of(full.network()));
    const double apart = largest_difference(to, numbers(mlp_of(got))), moved = largest_difference(to, from);
    INFO(name << ": " << apart << " apart after moving " << moved);
    if (name == "gd" || name == "nesterov") {
      // Steps of size 0.1 and the two products with the basis round at 2^-24 each; 30 of them.
      CHECK(apart < 100 * 0x1p-24);
      CHECK(moved > 0.05);  // the test can tell
    } else {
      CHECK(apart > 0.05 * moved);
    }
  }
}

TEST_CASE("schedules are those of PyTorch") {
  OptimizerConfig optimizer;
  optimizer.learning_rate = 0.5;
  CHECK(learning_rates(optimizer, 10).empty());
  // LinearLR(start_factor=1/4, total_iters=3).
  optimizer.schedule.warmup = 3;
  CHECK(learning_rates(optimizer, 5) == std::vector<double>{0.125, 0.25, 0.375, 0.5, 0.5});
  // CosineAnnealingLR(T_max=4, eta_min=0.05), after two steps of LinearLR(start_factor=1/3, total_iters=2).
  optimizer.schedule = {ScheduleKind::cosine, 2, 0.1};
  const std::vector<double> cosine = {0.5 / 3,
                                      1.0 / 3,
                                      0.5,
                                      0.05 + 0.45 * (1 + std::sqrt(0.5)) / 2,
                                      0.05 + 0.45 / 2,
                                      0.05 + 0.45 * (1 - std::sqrt(0.5)) / 2};
  const std::vector<double> rates = learning_rates(optimizer, 6);
  REQUIRE(rates.size() == cosine.size());
  for (std::size_t i = 0; i < rates.size(); ++i) CHECK(rates[i] == Approx(cosine[i]).epsilon(1e-14));
  // StepLR(step_size=2, gamma=0.5).
  optimizer.schedule = {ScheduleKind::step, 0, 0.0, 2, 0.5};
  CHECK(learning_rates(optimizer, 5) == std::vector<double>{0.5, 0.5, 0.25, 0.25, 0.125});
  // Shorter than its warm-up.
  optimizer.schedule = {ScheduleKind::cosine, 9, 0.1};
  CHECK(learning_rates(optimizer, 2) == std::vector<double>{0.05, 0.1});
}

TEST_CASE("whole powers are those of multiplication") {
  double power = 1.0;
  for (std::uint32_t n = 0; n < 70; ++n, power *= 0.9) CHECK(whole_power(0.9, n) == Approx(power).epsilon(1e-14));
  CHECK(whole_power(0.999, 4000000000u) == 0.0);
}

TEST_CASE("any number of workers gives the same bits, and sends what was said") {
  for (const std::string& name : kMethods) {
    for (const std::int64_t microbatches : {1, 3, 6}) {
      Setup s = deep_setup(name, 0.05, microbatches);
      s.epochs = 6;
      if (microbatches < 6) s.backprop.dropout = 0.3, s.backprop.input_dropout = 0.1;
      s.backprop.optimizer.schedule.kind = ScheduleKind::cosine;
      const Start start = start_of(s);
      TrainingState one;
      for (const int workers : {1, 1, 2, 3, 4, 5}) {
        Training training(s, start, workers);
        training.forward();
        training.iterate(0, 6);
        training.settle();
        const TrainingState state = training.state();
        if (one.empty()) one = state;
        INFO(name << ", " << workers << " workers");
        CHECK(first_difference(one, state) == "");
        std::int64_t expected = 0;  // boundaries are even: 5 layers
        if (workers == 5) {
          for (std::size_t l = 1; l + 1 < s.widths.size(); ++l) {
            const BoundaryBytes bytes = sum_of(method_of(s)->messages(s.nodes, s.widths[l], 0));
            expected += 6 * (bytes.up + bytes.down);
          }
          CHECK(training.bytes_sent() == static_cast<std::uint64_t>(expected));
          CHECK(expected == 6 * 2 * 4 * 23 * (5 + 7 + 4 + 5));
        }
      }
    }
  }
}

TEST_CASE("any grid of layers and shards gives the bits of one worker, and sends what was said") {
  for (const std::string& name : kMethods) {
    for (const std::int64_t microbatches : {4, 6}) {  // 6 blocks of 4 nodes, the last of 3
      Setup s = deep_setup(name, 0.05, microbatches);
      s.epochs = 6;
      s.backprop.dropout = 0.3, s.backprop.input_dropout = 0.1;
      const Start start = start_of(s);
      TrainingState one;
      std::vector<double> losses;
      for (const Grid& grid : kGrids) {
        if (grid.shards > microbatches) continue;
        grid.place(s);
        // Then with tensors of nodes in the host's memory; an op has three of them at most.
        s.staging = one.empty() ? 0 : 3 * 1024;
        Training training(s, start, grid.workers);
        training.forward();
        training.iterate(0, 6);
        training.settle();
        const TrainingState state = training.state();
        if (one.empty()) one = state, losses = training.scalars();
        INFO(name << ", " << microbatches << " micro-batches, " << grid.workers << " workers, " << grid.shards
                  << " shards");
        CHECK(first_difference(one, state) == "");
        CHECK(training.scalars().back() == losses.back());
        if (grid.workers != grid.shards || grid.per_host > 0) continue;
        // Every tensor of gradients, to be added up and as the sum, and the losses; padded to 16 bytes.
        const std::int64_t members = grid.shards;
        std::int64_t expected = 0;
        for (std::size_t l = 1; l < s.widths.size(); ++l) {
          const std::int64_t values = (s.widths[l] * s.widths[l - 1] + 3) / 4 * 4 + (s.widths[l] + 3) / 4 * 4;
          const Parts parts = Parts::even(values, grid.shards, 64), blocks = Parts::even(microbatches, grid.shards, 1);
          const BlockSums sums(blocks);
          for (int member = 0; member < grid.shards; ++member) {
            const std::int64_t others = values - parts.size(member);
            expected += 4 * (sums.given().size(member) * others + (members - 1) * parts.size(member));
          }
        }
        expected += 16 * microbatches * (members - 1);
        CHECK(training.bytes_sent() == static_cast<std::uint64_t>(6 * expected));
      }
    }
  }
}

TEST_CASE("a state that a grid has saved goes on on another to the same bits") {
  Setup s = deep_setup("adam", 0.05, 6);
  s.epochs = 7;
  s.backprop.dropout = 0.3;
  const Start start = start_of(s);
  s.shards = 3;
  Training whole(s, start, 6);
  whole.forward();
  whole.iterate(0, 4);
  const TrainingState saved = whole.state();
  whole.iterate(4, 3);
  for (const auto& [workers, shards] : {std::pair{1, 1}, {2, 2}, {3, 1}, {4, 4}, {10, 2}}) {
    s.shards = shards;
    Training other(s, start, workers);
    other.go_on_from(saved, 4, 3);
    INFO(workers << " workers, " << shards << " shards");
    CHECK(first_difference(whole.state(), other.state()) == "");
  }
}

TEST_CASE("training goes on from a saved state to the same bits, with other workers too") {
  for (const std::string& name : kMethods) {
    Setup s = deep_setup(name, 0.05, 3);
    s.epochs = 7;
    s.backprop.dropout = 0.3;
    s.backprop.optimizer.schedule = {ScheduleKind::step, 1, 0.0, 2, 0.5};
    const Start start = start_of(s);
    Training whole(s, start, 2);
    whole.forward();
    whole.iterate(0, 4);
    const TrainingState saved = whole.state();
    whole.iterate(4, 3);
    for (const int workers : {1, 2, 4}) {
      Training other(s, start, workers);
      other.go_on_from(saved, 4, 3);
      INFO(name << ", " << workers << " workers");
      CHECK(first_difference(whole.state(), other.state()) == "");
    }
    // A stage that starts from these weights has an optimiser that knows nothing of them.
    Training again(s, start, 3), fresh(s, start, 3);
    again.restart(saved);
    again.iterate(0, 2);
    TrainingState only_weights = fresh.state();
    for (auto& [key, tensor] : only_weights) {
      if (key[0] == 'W' || key[0] == 'b') tensor = saved.at(key);
    }
    fresh.restore(only_weights);
    fresh.forward();
    fresh.iterate(0, 2);
    CHECK(first_difference(fresh.state(), again.state()) == "");
  }
}

namespace {

std::optional<sim::SimulationFault> simulated(int devices, std::int64_t microbatches, FaultyContexts contexts,
                                              std::uint64_t seed = 1, int shards = 1, double dropout = 0.3,
                                              int per_host = 0) {
  Setup s = deep_setup("adam", 0.05, microbatches);
  s.shards = shards;
  s.per_host = per_host;
  s.staging = seed % 3 == 0 ? 4 * 1024 : 0;
  s.backprop.dropout = dropout, s.backprop.input_dropout = 0.1;
  s.backprop.optimizer.schedule.kind = ScheduleKind::cosine;
  return fault_of_training(s, devices, std::move(contexts), seed);
}

}  // namespace

TEST_CASE("the pipeline has no race and no deadlock, for any number of devices and parts") {
  for (int devices = 1; devices <= 5; ++devices) {
    for (const std::int64_t microbatches : {1, 2, 4, 6}) {
      for (const std::uint64_t seed : {1, 2, 3}) {
        INFO(devices << " devices, " << microbatches << " parts");
        const auto fault = simulated(devices, microbatches, {}, seed, 1, seed == 1 ? 0.0 : 0.3);
        INFO((fault ? fault->what() : ""));
        CHECK_FALSE(fault.has_value());
      }
    }
  }
}

TEST_CASE("a grid has no race and no deadlock, for any number of layers' devices, shards and parts") {
  for (const auto& [devices, shards, per_host] :
       {std::tuple{2, 2, 0}, {4, 2, 0}, {6, 3, 0}, {10, 2, 0}, {5, 5, 0}, {4, 4, 2}, {8, 4, 2}}) {
    for (const std::int64_t microbatches : {5, 6}) {
      for (const std::uint64_t seed : {1, 2, 3}) {
        INFO(devices << " devices, " << shards << " shards, " << microbatches << " parts");
        const auto fault = simulated(devices, microbatches, {}, seed, shards, 0.3, per_host);
        INFO((fault ? fault->what() : ""));
        CHECK_FALSE(fault.has_value());
      }
    }
  }
}

TEST_CASE("every wait of a grid that is removed is found as a race") {
  std::set<std::string> waits;
  REQUIRE_FALSE(simulated(6, 6, listening(waits), 1, 2).has_value());
  CHECK(waits.size() == 12);
  // The losses are exchanged before the gradients, which are waited for sooner.
  CHECK(waits.erase("the values of the others") == 1);
  // Found below, where parts take turns in memory.
  CHECK(waits.erase("activations from the left until they are used, those of the last iteration") == 1);
  for (const std::string& removed : waits) {
    bool found = false;  // some order of the streams shows it
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
      const int devices = seed % 2 == 0 ? 6 : 2;  // alone in its shard a device has no neighbour to wait for
      const auto fault = simulated(devices, 6, without_wait(removed), seed, 2);
      found = found || (fault && fault->kind == FaultKind::race);
    }
    INFO("without the wait for " << removed);
    CHECK(found);
  }
}

TEST_CASE("every wait of the pipeline that is removed is found as a race") {
  std::set<std::string> waits;
  REQUIRE_FALSE(simulated(3, 3, listening(waits)).has_value());
  CHECK(waits.size() == 6);
  for (const std::string& removed : waits) {
    for (const std::uint64_t seed : {1, 2, 3, 4, 5}) {
      INFO("without the wait for " << removed << ", seed " << seed);
      // Only where parts take turns in memory, and gradients of W are those of what was received, does the next
      // iteration meet what the last one still reads.
      const bool turns = removed == "activations from the left until they are used, those of the last iteration";
      const auto fault =
          turns ? simulated(2, 5, without_wait(removed), seed, 1, 0.0) : simulated(3, 3, without_wait(removed), seed);
      check_fault(fault, FaultKind::race, {"race on"});
    }
  }
}

TEST_CASE("the hash of a device's weights changes with them alone") {
  Setup s = deep_setup("gd", 0.05, 6);
  s.shards = 2;
  Training training(s, start_of(s), 4);
  training.forward();
  const std::vector<std::uint64_t> first = training.hashes();
  CHECK(training.hashes() == first);
  CHECK((first[0] == first[1] && first[2] == first[3] && first[0] != first[2]));
  TrainingState state = training.state();
  state.at("b5").data[0] ^= std::byte{1};  // one bit
  training.restore(state);
  const std::vector<std::uint64_t> other = training.hashes();
  CHECK((other[0] == first[0] && other[2] != first[2] && other[3] == other[2]));
}

TEST_CASE("as many parts are in flight as devices lie above each other, and activations have memory for no more") {
  for (const std::int64_t microbatches : {1, 2, 3, 6, 12}) {
    for (const auto& [devices, shards] : {std::pair{1, 1}, {2, 1}, {3, 1}, {5, 1}, {2, 2}, {4, 2}}) {
      Setup s = deep_setup("gd", 0.05, microbatches);
      s.nodes = 48, s.shards = shards;
      if (shards > microbatches) continue;
      Training training(s, start_of(s), devices);
      const int ranges = devices / shards;
      const std::int64_t parts = microbatches / shards, rows = 48 / microbatches;
      const std::int64_t slots = std::min<std::int64_t>(parts, ranges > 1 ? ranges + 1 : 1);
      const Parts layers = Parts::even(5, ranges, 1);
      for (int range = 0; range < ranges; ++range) {
        std::int64_t outputs = 0;
        for (std::int64_t l = layers.first(range); l < layers.first(range + 1); ++l) {
          outputs += s.widths[static_cast<std::size_t>(l) + 1];
        }
        const MemoryUse use = training.fleet().context(range * shards).device->memory();
        INFO(microbatches << " parts, " << devices << " devices, " << shards << " shards, range " << range);
        // y and its gradient, and the scalars of the layers, the counter and the hash.
        const auto scalars = static_cast<std::int64_t>(layers.size(range)) * 8 + 4 + 8;
        CHECK(static_cast<std::int64_t>(use.bytes[static_cast<std::size_t>(MemoryKind::variables)]) ==
              2 * 4 * slots * rows * outputs + scalars);
      }
    }
  }
}

TEST_CASE("a message of the pipeline that is lost is found, whichever it is") {
  for (const int rank : {0, 1, 2}) {
    for (int group = 0; group < 8; ++group) {
      bool lost = false;
      FaultyContexts contexts;
      contexts.plant = [&](int at, FaultyContexts::Device& device) {
        if (at != rank) return;
        device.transport.change = [&](int number, auto& sends, auto&) {
          if (number != group || sends.empty()) return;
          sends.pop_back();
          lost = true;
        };
      };
      const auto fault = simulated(3, 3, contexts);
      INFO("rank " << rank << ", group " << group);
      REQUIRE(fault.has_value() == lost);
      if (lost) CHECK((fault->kind == FaultKind::deadlock || fault->kind == FaultKind::mismatch));
    }
  }
}

TEST_CASE("gradients in bf16: each shard rounds its own, and the mean is rounded") {
  for (const int shards : {2, 3, 6}) {
    Setup s = deep_setup("gd", 1.0, 6);
    s.backprop.gradients = GradientFormat::bf16;
    s.shards = shards;
    const Start start = start_of(s);
    const Data data(start);
    Training training(s, start, shards);
    training.forward();
    training.iterate(0, 1);
    const std::vector<double> from = numbers(mlp_of(start.network)), to = numbers(mlp_of(training.network()));
    const std::vector<double> g = numbers(reference::gradient(mlp_of(start.network), data.x, data.labels, {}));
    // The magnitudes of what each shard rounds: its part of the gradient.
    std::vector<double> sizes(g.size(), 0.0);
    const Parts blocks = block_nodes(s.nodes, 6), shares = Parts::even(6, shards, 1);
    for (int shard = 0; shard < shards; ++shard) {
      const std::int64_t begin = blocks.first(static_cast<int>(shares.first(shard)));
      const std::int64_t end = blocks.first(static_cast<int>(shares.first(shard + 1)));
      reference::Dense x(end - begin, data.x.cols);
      std::copy_n(data.x.values.begin() + begin * data.x.cols, x.values.size(), x.values.begin());
      const std::vector<int> labels(data.labels.begin() + begin, data.labels.begin() + end);
      const std::vector<double> own = numbers(reference::gradient(mlp_of(start.network), x, labels, {}));
      for (std::size_t i = 0; i < g.size(); ++i) {
        sizes[i] += std::fabs(own[i]) * static_cast<double>(end - begin) / static_cast<double>(s.nodes);
      }
    }
    double worst = 0.0, mean = 0.0;
    for (std::size_t i = 0; i < g.size(); ++i) {
      const double error = std::fabs(from[i] - to[i] - g[i]);
      // Two roundings of 8 bits to nearest, and those of float32: of weights of about 1.
      worst = std::max(worst, error / (0x1p-8 * (sizes[i] + std::fabs(g[i])) * 1.01 + 30 * 0x1p-23));
      mean += error / (std::fabs(g[i]) + 1e-6) / static_cast<double>(g.size());
    }
    INFO(shards << " shards");
    CHECK(worst <= 1.0);
    CHECK(mean > 0x1p-12);  // it is rounded
  }
}

TEST_CASE("gradients in bf16 give the same bits on any devices of the layers, and half the bytes") {
  for (const std::string& name : kMethods) {
    Setup s = deep_setup(name, 0.05, 6);
    s.backprop.gradients = GradientFormat::bf16;
    s.epochs = 6;
    const Start start = start_of(s);
    s.shards = 3;
    Training whole(s, start, 3);
    whole.forward();
    whole.iterate(0, 3);
    const TrainingState saved = whole.state();
    whole.iterate(3, 3);
    whole.settle();
    std::int64_t expected = 16 * 6 * 2;  // the losses
    const LayerRow row(s.widths, {1, 5}, RoundedExchange::kUnit);
    for (const auto& sent : CompressedMean::bytes_sent(row, RoundedExchange::kCoding, 3)) expected += sent.all();
    CHECK(whole.bytes_sent() == static_cast<std::uint64_t>(6 * expected));
    for (const int devices : {3, 6, 15}) {
      Training other(s, start, devices);
      other.go_on_from(saved, 3, 3);
      INFO(name << ", " << devices << " devices");
      CHECK(first_difference(whole.state(), other.state()) == "");
    }
    // One shard rounds nothing.
    s.shards = 1;
    Training rounded(s, start, 2);
    s.backprop.gradients = GradientFormat::float32;
    Training exact(s, start, 1);
    for (Training* training : {&rounded, &exact}) training->forward(), training->iterate(0, 6);
    CHECK(first_difference(rounded.state(), exact.state()) == "");
  }
}

TEST_CASE("gradients in bf16 have no race and no deadlock") {
  for (const auto& [devices, shards] : {std::pair{2, 2}, {4, 2}, {9, 3}}) {
    Setup s = deep_setup("adam", 0.05, 6);
    s.backprop.gradients = GradientFormat::bf16;
    s.shards = shards;
    for (const std::uint64_t seed : {1, 2, 3}) {
      const auto fault = fault_of_training(s, devices, {}, seed);
      INFO(devices << " devices: " << (fault ? fault->what() : ""));
      CHECK_FALSE(fault.has_value());
    }
  }
}

namespace {

// The training nodes of a step, by the permutation of each micro-batch.
std::vector<std::int64_t> nodes_of_step(const Setup& s, std::int64_t microbatches, int steps, std::int64_t epoch,
                                        int step) {
  std::vector<std::int64_t> nodes;
  const Parts blocks = block_nodes(s.nodes, static_cast<int>(microbatches));
  for (int block = 0; block < blocks.count(); ++block) {
    const auto key = static_cast<std::uint32_t>(random_key(s.seed, 0x6261746368, static_cast<std::uint64_t>(block)));
    const Permutation permutation(key_at(key, static_cast<std::uint32_t>(epoch)),
                                  static_cast<std::uint32_t>(blocks.size(block)));
    const Parts slices = Parts::even(blocks.size(block), steps, 1);
    for (std::int64_t i = slices.first(step); i < slices.first(step + 1); ++i) {
      nodes.push_back(blocks.first(block) + permutation(static_cast<std::uint32_t>(i)));
    }
  }
  return nodes;
}

}  // namespace

TEST_CASE("steps of a batch follow the gradients of their nodes, and an epoch has each node once") {
  for (const std::int64_t microbatches : {1, 3}) {
    Setup s = deep_setup("gd", 0.2, microbatches);
    s.backprop.batch = 8;  // 23 nodes: 3 steps
    const Start start = start_of(s);
    const Data data(start);
    Training training(s, start, 3);
    training.forward();
    reference::Mlp mlp = mlp_of(start.network);
    std::vector<std::int64_t> last;
    for (std::int64_t epoch = 0; epoch < 3; ++epoch) {
      double risk = 0.0;
      std::vector<std::int64_t> seen;
      for (int step = 0; step < 3; ++step) {
        const std::vector<std::int64_t> nodes = nodes_of_step(s, microbatches, 3, epoch, step);
        CHECK((nodes.size() == 7 || nodes.size() == 8 || microbatches > 1));
        reference::Dense x(static_cast<std::int64_t>(nodes.size()), data.x.cols);
        std::vector<int> labels;
        for (std::size_t i = 0; i < nodes.size(); ++i) {
          std::copy_n(data.x.values.begin() + nodes[i] * data.x.cols, data.x.cols,
                      x.values.begin() + static_cast<std::int64_t>(i) * data.x.cols);
          labels.push_back(data.labels[static_cast<std::size_t>(nodes[i])]);
        }
        seen.insert(seen.end(), nodes.begin(), nodes.end());
        risk += reference::mean_loss(mlp, x, labels, {}) * static_cast<double>(nodes.size());
        reference::Mlp g = reference::gradient(mlp, x, labels, {});
        const std::vector<double> slope = numbers(g);
        reference::each_number(mlp, [&](std::size_t i, double& w) { w -= 0.2 * slope[i]; });
      }
      training.iterate(epoch, 1);
      INFO(microbatches << " micro-batches, epoch " << epoch);
      CHECK(training.scalars().back() == Approx(risk).epsilon(1e-5));
      // 9 steps of float32 on weights of up to 2, whose differences grow a little.
      CHECK(largest_difference(numbers(mlp), numbers(mlp_of(training.network()))) < 100 * 0x1p-23);
      CHECK(seen != last);  // another order in every epoch
      last = seen;
      std::sort(seen.begin(), seen.end());
      for (std::size_t i = 0; i < seen.size(); ++i) CHECK(seen[i] == static_cast<std::int64_t>(i));
      CHECK(seen.size() == 23);
    }
  }
}

TEST_CASE("steps of a batch have the same bits on any grid, staged or not, and after a resume") {
  for (const std::string name : {"gd", "adam"}) {
    Setup s = deep_setup(name, 0.05, 6);
    s.backprop.batch = 12;
    s.backprop.dropout = 0.3, s.backprop.input_dropout = 0.1;
    s.backprop.optimizer.schedule = {ScheduleKind::step, 1, 0.0, 2, 0.5};
    s.epochs = 6;
    const Start start = start_of(s);
    TrainingState one, half;
    std::vector<double> losses;
    for (const Grid& grid : kGrids) {
      if (grid.shards > 6) continue;
      grid.place(s);
      s.staging = one.empty() ? 0 : 4 * 1024;
      Training training(s, start, grid.workers);
      training.forward();
      training.iterate(0, 3);
      if (half.empty()) half = training.state();
      training.iterate(3, 3);
      const TrainingState state = training.state();
      if (one.empty()) one = state, losses = training.scalars();
      INFO(name << ", " << grid.workers << " workers, " << grid.shards << " shards");
      CHECK(first_difference(one, state) == "");
      CHECK(training.scalars().back() == losses.back());
      Training other(s, start, grid.workers);
      other.go_on_from(half, 3, 3);
      CHECK(first_difference(one, other.state()) == "");
    }
  }
}

TEST_CASE("steps of a batch have no race and no deadlock") {
  for (const auto& [devices, shards] : {std::pair{1, 1}, {3, 1}, {4, 2}, {6, 6}, {10, 2}}) {
    Setup s = deep_setup("adam", 0.05, 6);
    s.backprop.batch = 12, s.backprop.dropout = 0.2;
    s.shards = shards;
    for (const std::uint64_t seed : {1, 2, 3}) {
      s.staging = seed % 3 == 0 ? 4 * 1024 : 0;
      const auto fault = fault_of_training(s, devices, {}, seed);
      INFO(devices << " devices: " << (fault ? fault->what() : ""));
      CHECK_FALSE(fault.has_value());
    }
  }
}

TEST_CASE("learning rates of a schedule are those of epochs, however many steps these have") {
  Setup s = deep_setup("gd", 0.2, 1);
  s.epochs = 4;
  s.backprop.optimizer.schedule = {ScheduleKind::step, 0, 0.0, 1, 1e-9};  // nothing moves after the first epoch
  s.backprop.batch = 8;
  Training training(s, start_of(s), 1);
  training.forward();
  std::vector<std::vector<float>> weights = {training.weights_of(0)};
  for (int epoch = 0; epoch < 2; ++epoch) training.iterate(epoch, 1), weights.push_back(training.weights_of(0));
  s.backprop.optimizer.schedule = {};
  Training constant(s, start_of(s), 1);
  constant.forward();
  constant.iterate(0, 1);
  CHECK(constant.weights_of(0) == weights[1]);
  for (std::size_t i = 0; i < weights[1].size(); ++i) CHECK(weights[2][i] == Approx(weights[1][i]).margin(1e-6));
}
