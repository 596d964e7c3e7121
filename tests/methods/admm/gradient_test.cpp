// The gradient update on stage programs against the reference in double.
#include "tests/methods/admm/compare.hpp"

using namespace gamlp;
using namespace gamlp::test;

TEST_CASE("one and ten gradient iterations equal the reference") {
  for (const auto& [widths, nodes] : net_shapes()) {
    for (const int iterations : {1, 10}) {
      for (const double nu : {0.5, 0.01}) {
        Setup s = setup_of(Update::gradient, nu, 0.7 * nu);
        s.widths = widths, s.nodes = nodes;
        s.admm.weight_decay_first = 3.0 * nu;
        s.admm.weight_decay = 0.1 * nu;
        compare_with_reference(s, iterations, iterations == 1 ? 1 : 2);
      }
    }
  }
}

TEST_CASE("leaky ReLU and tanh follow the reference") {
  for (const ActivationRule& f :
       {ActivationRule{Activation::leaky_relu, 0.1f}, ActivationRule{Activation::tanh, 0.0f}}) {
    for (const int iterations : {1, 10}) {
      Setup s = setup_of(Update::gradient, 0.2, 0.2);
      s.widths = {6, 5, 5, 3}, s.nodes = 13;
      s.activation = f;
      compare_with_reference(s, iterations, 1);
    }
  }
}

TEST_CASE("the scalars of an iteration give the objective and the step sizes") {
  Setup s = setup_of(Update::gradient, 0.3, 0.2);
  s.widths = {9, 7, 6, 4}, s.nodes = 23;
  const Start start = start_of(s);
  const reference::Rules rules = rules_of(s);
  reference::State state = reference_start(s, start, rules);
  Training training(s, start, 2);
  training.forward();
  for (int k = 0; k < 5; ++k) {
    training.iterate(k, 1);
    reference::gradient_iteration(state, rules);
    CHECK(training.objective() == Approx(reference::objective(state, rules, rules.nu)).epsilon(1e-4));
  }
  const std::vector<double> scalars = training.scalars();
  for (std::size_t l = 1; l < 3; ++l) {  // τ in [ρ, ρ + ν||W||²]
    const double tau = scalars[l * kAdmmScalars + kTau];
    CHECK(tau >= 0.2 * (1.0 - 1e-6));
    CHECK(tau <= 0.2 + 0.3 * reference::norm2(state.layers[l].w) * 1.2);
  }
}

TEST_CASE("the residual that is carried along stays that of the variables") {
  Setup s = setup_of(Update::gradient, 0.01, 0.01);
  s.widths = {12, 10, 10, 4}, s.nodes = 60;
  const Start start = start_of(s);
  Training training(s, start, 1);
  training.forward();
  constexpr int kIterations = 1000;
  training.iterate(0, kIterations);
  const TrainingState state = training.state();
  for (std::size_t l = 1; l < s.widths.size(); ++l) {
    const std::string id = std::to_string(l);
    const auto matrix = [&](const std::string& name, std::int64_t rows, std::int64_t cols) {
      reference::Dense out(rows, cols);
      const std::vector<float> x = values_of(state, name);
      std::copy(x.begin(), x.end(), out.values.begin());
      return out;
    };
    reference::Layer layer;
    layer.w = matrix("W" + id, s.widths[l], s.widths[l - 1]);
    const std::vector<float> b = values_of(state, "b" + id);
    layer.b.assign(b.begin(), b.end());
    layer.p = l == 1 ? dense(start.x) : matrix("p" + id, s.nodes, s.widths[l - 1]);
    const reference::Dense z = matrix("z" + id, s.nodes, s.widths[l]), r = matrix("r" + id, s.nodes, s.widths[l]);
    const reference::Dense linear = reference::linear(layer);
    const double drift = reference::largest(reference::sum(reference::sum(linear, z, -1.0), r, -1.0));
    // Every iteration rounds a, z, W, p, b and r once more: a random walk of `kIterations` steps of about ten roundings
    // of |W||p| + |b| + |z|, taken at five standard deviations.
    double size = reference::largest(z) + reference::largest(linear);
    for (const double x : layer.b) size = std::max(size, std::abs(x));
    const double step = 10.0 * 0x1p-24 *
                        (size + reference::largest(layer.w) * reference::largest(layer.p) *
                                    std::sqrt(static_cast<double>(s.widths[l - 1])));
    INFO("layer " << l << " drift " << drift << " residual " << reference::largest(r));
    CHECK(drift <= 5.0 * std::sqrt(static_cast<double>(kIterations)) * step);
  }
}
