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
              {"update", "exchange", "layers x width x nodes", "objective, largest relative difference", "allowed",
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
  for (const Update update : {Update::gradient, Update::exact}) {
    for (const Exchange& exchange :
         {Exchange{"float32", {}, update == Update::exact ? 1e-3 : 1e-4}, Exchange{"8 bits", eight, 1e-2},
          Exchange{"2-bit differences, blocks", blocks, 3e-2}}) {
      test::Setup setup = test::setup_of(update, 0.05, 0.05);
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
      const std::string name = std::string(update == Update::exact ? "exact" : "gradient") + ", " + exchange.name;
      if (!(worst <= exchange.allowed)) table.failures.push_back(name + ": objective off by " + number(worst));
      if (!on_three.empty()) table.failures.push_back(name + ": on 3 devices " + on_three + " differs");
      if (!without.empty()) table.failures.push_back(name + ": without graphs " + without + " differs");
      table.rows.push_back({update == Update::exact ? "exact" : "gradient", exchange.name,
                            "5 x " + std::to_string(width) + " x " + std::to_string(nodes), number(worst, "%.2g"),
                            number(exchange.allowed, "%.0e"), on_three.empty() ? "yes" : "no",
                            without.empty() ? "yes" : "no"});
    }
  }
  return table;
}

}  // namespace gamlp::gpu
