// Whole stages: the loss curve of the CPU, the same bits on several devices that share the GPU, with graphs and
// without.
#include "tests/admm/training.hpp"

#include <cmath>

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

}  // namespace

Table check_training(const Scope& scope) {
  Table table{"training",
              "Stages on the GPU against CPU workers: objective of every iteration; bits on other numbers of devices",
              {"method", "exchange", "layers x width x nodes", "objective, largest relative difference", "allowed",
               "same bits on 3 devices", "same bits without graphs"},
              {},
              {}};
  struct Exchange {
    const char* name;
    WireFormat p;
    double allowed;  // of the objective: a rounding may become a step of a code's grid
  };
  WireFormat eight, blocks;
  eight.bits = 8;
  blocks.bits = 2, blocks.coding = Coding::difference, blocks.range = Range::block;
  const std::int64_t width = scope.large ? 96 : 12, nodes = scope.large ? 700 : 40;
  const int iterations = scope.large ? 30 : 12;  // the first five differ from each other: replayed are later ones
  struct Method {
    const char* name;
    test::Setup setup;
    std::vector<Exchange> exchanges;
  };
  const auto admm = [&](double allowed) {
    return std::vector<Exchange>{
        {"float32", {}, allowed}, {"8 bits", eight, 1e-2}, {"2-bit differences, blocks", blocks, 3e-2}};
  };
  const std::vector<Method> methods = {{"gradient", test::setup_of(Update::gradient, 0.05, 0.05), admm(1e-4)},
                                       {"exact", test::setup_of(Update::exact, 0.05, 0.05), admm(1e-3)},
                                       {"gd", test::setup_of(MethodName::gd, 0.1, 4), {{"float32", {}, 1e-4}}},
                                       {"adam", test::setup_of(MethodName::adam, 0.01, 4), {{"float32", {}, 1e-3}}}};
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
      double worst = 0;
      for (std::size_t i = 0; i < expected.objectives.size(); ++i) {
        const double y = expected.objectives[i];
        worst = std::max(worst, std::abs(found.objectives[i] - y) / std::max(std::abs(y), 1e-30));
      }
      test::Training shared(setup, start, gpu_fleet(scope.ordinal, 3, true));
      const std::string on_three = test::first_difference(found.state, trained(shared, iterations).state);
      test::Training eager(setup, start, gpu_fleet(scope.ordinal, 1, false));
      const std::string without = test::first_difference(found.state, trained(eager, iterations).state);
      const std::string name = std::string(method.name) + ", " + exchange.name;
      if (!(worst <= exchange.allowed)) table.failures.push_back(name + ": objective off by " + number(worst));
      if (!on_three.empty()) table.failures.push_back(name + ": on 3 devices " + on_three + " differs");
      if (!without.empty()) table.failures.push_back(name + ": without graphs " + without + " differs");
      table.rows.push_back({method.name, exchange.name, "5 x " + std::to_string(width) + " x " + std::to_string(nodes),
                            number(worst, "%.2g"), number(exchange.allowed, "%.0e"), on_three.empty() ? "yes" : "no",
                            without.empty() ? "yes" : "no"});
    }
  }
  return table;
}

}  // namespace gamlp::gpu
