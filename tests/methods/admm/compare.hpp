// The double reference beside a Training, and how far float32 may take them apart.
//
// The tolerance is derived by running the reference itself with noise of the size of float32's rounding: at the start
// and after every iteration each variable moves at random by a few roundings of the largest numbers that it was
// computed from (sums of k terms: sqrt(k) of them), and so do the linear systems of the exact update. What the noise
// does to the result is what rounding may do; kMargin covers its luck (maximum of three runs).
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "tests/methods/training.hpp"
#include "tests/reference/training.hpp"
#include "tests/support/catch.hpp"

namespace gamlp::test {

inline constexpr double kMargin = 8.0;

inline reference::Dense dense(const Matrix& x) {
  reference::Dense out(x.rows(), x.cols());
  std::copy_n(x.data(), x.size(), out.values.begin());
  return out;
}

inline reference::Rules rules_of(const Setup& s) {
  reference::Rules rules;
  if (s.activation.kind == Activation::tanh) {
    rules.f.kind = reference::Activation::tanh;
  } else if (s.activation.slope > 0.0f) {
    rules.f = {reference::Activation::leaky, static_cast<double>(s.activation.slope)};
  }
  rules.nu = *s.admm.nu, rules.rho = *s.admm.rho;
  for (int l = 1; l < static_cast<int>(s.widths.size()); ++l) {
    rules.mu.push_back(weight_decay_of(s.admm, l, static_cast<int>(s.widths.size()) - 1));
  }
  rules.beta = s.admm.exact.beta, rules.nu2 = s.admm.exact.nu2;
  rules.kappa = s.admm.exact.kappa, rules.lambda = s.admm.exact.lambda;
  return rules;
}

inline reference::State reference_start(const Setup& s, const Start& start, const reference::Rules& rules) {
  reference::State state;
  for (const LayerWeights& layer : start.network) {
    reference::Layer l;
    l.w = dense(layer.w);
    l.b.assign(layer.b.begin(), layer.b.end());
    state.layers.push_back(std::move(l));
  }
  state.layers.front().p = dense(start.x);
  state.labels.assign(start.labels.begin(), start.labels.end());
  reference::forward(state, rules.f);
  (void)s;
  return state;
}

using reference::Variables;

inline Variables variables_of(const reference::State& state, bool exact) {
  Variables out;
  for (std::size_t i = 0; i < state.layers.size(); ++i) {
    const reference::Layer& l = state.layers[i];
    const std::string id = std::to_string(i + 1);
    out["W" + id] = l.w.values, out["b" + id] = l.b, out["z" + id] = l.z.values;
    if (i > 0) out["p" + id] = l.p.values;
    if (i + 1 < state.layers.size()) out["q" + id] = l.q.values, out["u" + id] = l.u.values;
    if (exact) out["v" + id] = l.v.values;
  }
  return out;
}

inline double rounding(double terms) { return 0x1p-24 * (4.0 + std::sqrt(terms)); }

// `before`: the state one iteration ago, whose numbers took part too.
inline void add_noise(reference::State& state, const reference::State& before, const reference::Rules& rules,
                      Random& random) {
  const auto shake = [&](std::vector<double>& x, double size, double terms, double extra) {
    const double unit = rounding(terms) * size + extra;
    for (double& value : x) value += unit * (2.0 * random.uniform() - 1.0);
  };
  for (std::size_t i = 0; i < state.layers.size(); ++i) {
    reference::Layer& l = state.layers[i];
    const reference::Layer& old = before.layers[i];
    const auto size_of = [&](const reference::Dense& now, const reference::Dense& then) {
      return std::max(reference::largest(now), reference::largest(then));
    };
    const bool last = i + 1 == state.layers.size();
    const double inputs = static_cast<double>(l.w.cols), nodes = static_cast<double>(l.z.rows);
    const double size = std::max(size_of(l.z, old.z), size_of(reference::linear(l), reference::linear(old)));
    // The softmax steps end at a gradient of 1e-6: z is within 1e-6 / ν, and v with it.
    const double inexact = last ? 1e-6 / rules.nu : rules.f.kind == reference::Activation::tanh ? 1e-6 : 0.0;
    // Gradients and right-hand sides are sums over the nodes; b stands beside z.
    shake(l.w.values, size_of(l.w, old.w), nodes, 0.0);
    shake(l.b, size, nodes, 0.0);
    if (i > 0) shake(l.p.values, size_of(l.p, old.p), static_cast<double>(l.w.rows), 0.0);
    shake(l.z.values, size, inputs, inexact);
    if (!last) {
      const double q = size_of(l.q, old.q);
      shake(l.q.values, q, 4.0, 0.0);
      shake(l.u.values, std::max(size_of(l.u, old.u), rules.rho * q), 4.0, 0.0);
    }
    shake(l.v.values, size, inputs, inexact);
  }
}

template <class Iteration>
void check_against_reference(const TrainingState& got, reference::State state, const reference::Rules& rules,
                             int iterations, bool exact, Iteration iteration) {
  reference::State clean = state;
  for (int k = 0; k < iterations; ++k) iteration(clean, rules);
  const Variables expected = variables_of(clean, exact);
  std::map<std::string, double> response;
  for (std::uint64_t run = 0; run < 3; ++run) {
    Random random(random_key(run, 5));
    reference::Rules shaken = rules;
    shaken.jitter = [&](reference::Dense& x) {  // products of blocks: a few roundings of the largest entry
      const double unit = rounding(0.0) * reference::largest(x);
      for (double& value : x.values) value += unit * (2.0 * random.uniform() - 1.0);
    };
    reference::State noisy = state;
    add_noise(noisy, state, rules, random);
    for (int k = 0; k < iterations; ++k) {
      const reference::State before = noisy;
      iteration(noisy, shaken);
      add_noise(noisy, before, rules, random);
    }
    for (const auto& [name, values] : variables_of(noisy, exact)) {
      double& worst = response[name];
      for (std::size_t i = 0; i < values.size(); ++i)
        worst = std::max(worst, std::abs(values[i] - expected.at(name)[i]));
    }
  }
  for (const auto& [name, values] : expected) {
    if (!got.contains(name)) continue;  // layer 1 of the kernel form has other coordinates
    const std::vector<float> found = values_of(got, name);
    REQUIRE(found.size() == values.size());
    double worst = 0.0, size = 0.0;
    bool finite = true;
    for (std::size_t i = 0; i < values.size(); ++i) {
      finite = finite && std::isfinite(found[i]);
      worst = std::max(worst, std::abs(static_cast<double>(found[i]) - values[i]));
      size = std::max(size, std::abs(values[i]));
    }
    INFO(name << " after " << iterations << " iterations: off by " << worst << ", rounding explains " << response[name]
              << ", largest entry " << size);
    CHECK(finite);
    CHECK(worst <= kMargin * response[name] + 0x1p-22 * size);
    CHECK(response[name] <= 1e-2 * size + 1e-3);  // else this would test nothing: a ReLU on the edge
  }
}

// Trains `s` on `workers` workers and holds every variable against the reference of its update.
inline void compare_with_reference(const Setup& s, int iterations, int workers) {
  const Start start = start_of(s);
  const reference::Rules rules = rules_of(s);
  const bool exact = s.admm.update == Update::exact;
  Training training(s, start, workers);
  training.forward();
  training.iterate(0, iterations);
  INFO("layers " << s.widths.size() - 1 << " nodes " << s.nodes << " nu " << rules.nu << " workers " << workers);
  check_against_reference(training.state(), reference_start(s, start, rules), rules, iterations, exact,
                          exact ? reference::exact_iteration : reference::gradient_iteration);
}

// 1 node, 1 neuron, odd widths, deep and shallow.
inline std::vector<std::pair<std::vector<std::int64_t>, std::int64_t>> net_shapes() {
  return {{{1, 1, 2}, 1},         {{3, 2}, 4},         {{4, 1, 1, 3}, 5},   {{7, 5, 5, 3}, 1}, {{13, 9, 7, 5, 3}, 41},
          {{20, 17, 17, 4}, 150}, {{30, 8, 8, 2}, 12}, {{5, 24, 24, 3}, 11}};
}

}  // namespace gamlp::test
