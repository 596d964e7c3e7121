// The exact update on stage programs against the reference in double.
#include "tests/methods/admm/compare.hpp"

using namespace gamlp;
using namespace gamlp::test;

TEST_CASE("one and ten exact iterations equal the reference") {
  for (const auto& [widths, nodes] : net_shapes()) {
    for (const int iterations : {1, 10}) {
      Setup s = setup_of(Update::exact, 0.05, 0.05);
      s.widths = widths, s.nodes = nodes;
      s.admm.weight_decay_first = 0.5;
      s.admm.weight_decay = 0.05;
      s.admm.exact.kappa = 0.05;
      compare_with_reference(s, iterations, iterations == 1 ? 1 : 2);
    }
  }
}

TEST_CASE("the default ridges of the exact update follow the reference where there are nodes enough") {
  for (const int iterations : {1, 10}) {
    Setup s = setup_of(Update::exact, 0.05, 0.05);
    s.widths = {10, 8, 8, 4}, s.nodes = 40, s.seed = 2;
    s.admm.weight_decay_first = 0.5;
    compare_with_reference(s, iterations, 3);
  }
}

TEST_CASE("leaky ReLU and tanh follow the reference of the exact update") {
  for (const ActivationRule& f :
       {ActivationRule{Activation::leaky_relu, 0.1f}, ActivationRule{Activation::tanh, 0.0f}}) {
    for (const int iterations : {1, 10}) {
      Setup s = setup_of(Update::exact, 0.2, 0.2);
      s.widths = {6, 5, 5, 3}, s.nodes = 40;
      s.admm.exact.kappa = 0.05;
      s.activation = f;
      compare_with_reference(s, iterations, 1);
    }
  }
}

TEST_CASE("the scalars of an exact iteration give the objective") {
  Setup s = setup_of(Update::exact, 0.1, 0.1);
  s.widths = {9, 7, 6, 4}, s.nodes = 60;
  s.admm.exact.kappa = 0.05;
  const Start start = start_of(s);
  const reference::Rules rules = rules_of(s);
  reference::State state = reference_start(s, start, rules);
  Training training(s, start, 2);
  training.forward();
  for (int k = 0; k < 5; ++k) {
    training.iterate(k, 1);
    reference::exact_iteration(state, rules);
    CHECK(training.objective() == Approx(reference::objective(state, rules, rules.nu2 * rules.rho)).epsilon(1e-3));
  }
}
