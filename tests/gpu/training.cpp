// Whole stages: the loss curve of the CPU, the same bits on several devices that share the GPU, with graphs and
// without.
//
// Sums in another order change steps by rounding, of which a code makes a step of its grid. So the GPU may be as far
// from the CPU, but for a factor, as CPU runs are whose rho (and beta) or learning rate differ by some roundings.
#include "tests/methods/training.hpp"

#include <cmath>
#include <span>

#include "cuda/comm/copy_transport.hpp"
#include "host/device/thread_fleet.hpp"
#include "tests/gpu/check.hpp"

namespace gamlp::gpu {
namespace {

std::unique_ptr<Fleet> gpu_fleet(int ordinal, int devices, bool graphs) {
  auto ends = create_copy_transports(devices);
  std::vector<ThreadFleet::Member> members;
  for (auto& end : ends) {
    members.push_back(
        {std::make_unique<CudaDevice>(ordinal, CudaOptions{ProductPrecision::float32, graphs}), std::move(end)});
  }
  return std::make_unique<ThreadFleet>(std::move(members));
}

struct Outcome {
  std::vector<double> objectives;
  TrainingState state;
};

constexpr double kFactor = 4, kRounding = 1e-5;

// The largest relative difference of the objectives up to each iteration.
std::vector<double> apart(const std::vector<double>& a, const std::vector<double>& b) {
  std::vector<double> worst;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double one = std::abs(a[i] - b[i]) / std::max(std::abs(b[i]), 1e-30);
    worst.push_back(std::max(one, worst.empty() ? 0.0 : worst.back()));
  }
  return worst;
}

Outcome trained(test::Training& training, int iterations) {
  Outcome outcome;
  training.forward();
  for (int i = 0; i < iterations; ++i) {
    training.iterate(i, 1);
    outcome.objectives.push_back(training.objective());
  }
  outcome.state = training.state();
  return outcome;
}

// What some roundings do to the objectives, on the CPU, up to each iteration; with the factor.
std::vector<double> allowed_of(const test::Setup& setup, const std::vector<double>& objectives) {
  std::vector<double> worst(objectives.size(), 0.0);
  const auto add = [&](const test::Setup& other, const test::Start& start) {
    test::Training perturbed(other, start, 1);
    const std::vector<double> one =
        apart(trained(perturbed, static_cast<int>(objectives.size())).objectives, objectives);
    for (std::size_t i = 0; i < worst.size(); ++i) worst[i] = std::max(worst[i], one[i]);
  };
  const test::Start start = test::start_of(setup);
  for (const double factor : {1 + 1e-6, 1 - 1e-6}) {
    test::Setup rho = setup, beta = setup;
    rho.admm.rho = *setup.admm.rho * factor;
    if (setup.backprop.optimizer.learning_rate) *rho.backprop.optimizer.learning_rate *= factor;
    beta.admm.exact.beta *= factor;
    add(rho, start);
    if (setup.admm.update == Update::exact) add(beta, start);
  }
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {  // inputs and weights that differ by roundings
    test::Start moved = start;
    Random random(seed);
    const auto move = [&](std::span<float> values) {
      for (float& x : values) x *= 1.0f + 0x1p-22f * static_cast<float>(random.uniform() - 0.5);
    };
    move(moved.x.view().flat());
    for (LayerWeights& layer : moved.network) move(layer.w.view().flat());
    add(setup, moved);
  }
  for (double& x : worst) x = kFactor * x + kRounding;
  return worst;
}

}  // namespace

Table check_training(const Scope& scope) {
  Table table{"training",
              "Stages on the GPU against CPU workers: objective of every iteration; bits on other numbers of devices",
              {"method", "exchange", "layers x width x nodes", "objective, largest relative difference",
               "share of what is allowed", "same bits on 3 devices", "same bits without graphs",
               "same bits from the host's memory"},
              {},
              {}};
  struct Exchange {
    const char* name;
    WireFormat p;
  };
  WireFormat eight, blocks;
  eight.bits = 8;
  blocks.bits = 2, blocks.coding = Coding::difference, blocks.range = Range::block;
  const std::int64_t width = scope.large ? 96 : 12, nodes = scope.large ? 700 : 40;
  const int iterations = scope.large ? 30 : 8;  // the first five differ from each other: replayed are later ones
  struct Method {
    const char* name;
    test::Setup setup;
    std::vector<Exchange> exchanges;
  };
  const std::vector<Exchange> all = {{"float32", {}}, {"8 bits", eight}, {"2-bit differences, blocks", blocks}};
  const std::vector<Exchange> plain = {{"float32", {}}};
  const std::vector<Method> methods = {{"gradient", test::setup_of(Update::gradient, 0.05, 0.05), all},
                                       {"exact", test::setup_of(Update::exact, 0.05, 0.05), all},
                                       {"gd", test::setup_of("gd", 0.1, 4), plain},
                                       {"adam", test::setup_of("adam", 0.01, 4), plain}};
  for (const Method& method : methods) {
    for (const Exchange& exchange : method.exchanges) {
      test::Setup setup = method.setup;
      setup.widths = {width + 5, width, width, width, width, 7};
      setup.nodes = nodes;
      setup.weight_scale = 1.0 / std::sqrt(static_cast<double>(width));
      for (CodecConfig* codec : {&setup.exchange.p, &setup.exchange.q}) {
        codec->bits = exchange.p.bits, codec->coding = exchange.p.coding, codec->range = exchange.p.range;
      }
      const test::Start start = test::start_of(setup);
      test::Training on_cpu(setup, start, 1);
      const Outcome expected = trained(on_cpu, iterations);
      test::Training on_gpu(setup, start, gpu_fleet(scope.ordinal, 1, true));
      const Outcome found = trained(on_gpu, iterations);
      const std::vector<double> differences = apart(found.objectives, expected.objectives);
      const std::vector<double> allowed = allowed_of(setup, expected.objectives);
      double share = 0;
      for (std::size_t i = 0; i < allowed.size(); ++i) share = std::max(share, differences[i] / allowed[i]);
      test::Training shared(setup, start, gpu_fleet(scope.ordinal, 3, true));
      const std::string on_three = test::first_difference(found.state, trained(shared, iterations).state);
      test::Training eager(setup, start, gpu_fleet(scope.ordinal, 1, false));
      const std::string without = test::first_difference(found.state, trained(eager, iterations).state);
      test::Setup setup_on_host = setup;  // each op finds room, and few do at the same time
      setup_on_host.staging = 10 * static_cast<std::size_t>(nodes * (width + 5)) * sizeof(float) + 10 * 256;
      test::Training staged(setup_on_host, start, gpu_fleet(scope.ordinal, 1, true));
      const std::string on_host = test::first_difference(found.state, trained(staged, iterations).state);
      const std::string name = std::string(method.name) + ", " + exchange.name;
      if (!(share <= 1)) {
        table.failures.push_back(name + ": objective off by " + number(share) + " times what rounding may do");
      }
      if (!on_three.empty()) table.failures.push_back(name + ": on 3 devices " + on_three + " differs");
      if (!without.empty()) table.failures.push_back(name + ": without graphs " + without + " differs");
      if (!on_host.empty())
        table.failures.push_back(name + ": with nodes in the host's memory " + on_host + " differs");
      table.rows.push_back({method.name, exchange.name, "5 x " + std::to_string(width) + " x " + std::to_string(nodes),
                            number(differences.back(), "%.2g"), number(share, "%.2g"), on_three.empty() ? "yes" : "no",
                            without.empty() ? "yes" : "no", on_host.empty() ? "yes" : "no"});
    }
  }
  return table;
}

}  // namespace gamlp::gpu
