// The passes of backpropagation, op by op, against the formulas in double. Whole steps: tests/backprop.
#include "tests/cpu/bench.hpp"

using namespace gamlp;
using namespace gamlp::test;
using reference::Dense;

TEST_CASE("the gradient of the cross-entropy is softmax minus the label, and the risk adds up") {
  OpBench bench;
  for (const Shape& s : shapes()) {
    const Mat z = bench.normal(s.v, s.m), g = bench.zeros(s.v, s.m);
    const MatView<std::int32_t> labels = bench.make<std::int32_t>(1, s.v);
    for (std::int64_t i = 0; i < s.v; ++i) labels.data[i] = static_cast<std::int32_t>(i % s.m);
    Dense expected = dense(z);
    double risk = 0.0;
    for (std::int64_t i = 0; i < s.v; ++i) {
      double sum = 0.0;
      for (std::int64_t j = 0; j < s.m; ++j) sum += std::exp(static_cast<double>(z.row(i)[j]));
      for (std::int64_t j = 0; j < s.m; ++j) expected(i, j) = std::exp(static_cast<double>(z.row(i)[j])) / sum;
      risk -= std::log(expected(i, labels.data[i]));
      expected(i, labels.data[i]) -= 1.0;
    }
    const Scalar total = bench.scalar(NAN);
    bench.run(ops::SoftmaxGradient{z, g, labels, total});
    // fast_exp is off by 2e-7, and a sum of s.m of them by their roundings.
    check_close(g, expected, 1.0, 4e-7 + sum_eps(s.m), "gradient");
    check_scalar(total, risk, risk + static_cast<double>(s.v), 4e-7 + sum_eps(s.m), "risk");
  }
}

TEST_CASE("a gradient passes an activation by its derivative there") {
  OpBench bench;
  const float slope = 0.1f;
  for (const Activation kind : {Activation::relu, Activation::leaky_relu, Activation::tanh}) {
    const ActivationRule f{kind, kind == Activation::leaky_relu ? slope : 0.0f};
    const Mat z = bench.normal(30, 7), y = bench.zeros(30, 7), g = bench.normal(30, 7), b = bench.zeros(1, 7);
    z.data[0] = 0.0f;  // where ReLU has no derivative: PyTorch's is that of the negative side
    Dense expected = dense(g);
    for (std::int64_t i = 0; i < z.size(); ++i) {
      const double x = z.data[i], t = std::tanh(x);
      expected.values[static_cast<std::size_t>(i)] *= kind == Activation::tanh ? 1.0 - t * t
                                                      : x > 0.0                ? 1.0
                                                                               : static_cast<double>(f.slope);
    }
    bench.run(ops::Forward{b, z, y, f});
    bench.run(ops::ActivationGradient{y, g, f});
    check_close(g, expected, 3.0, kind == Activation::tanh ? 1e-6 : kEps, "gradient");
  }
}

// One number through three steps, from the formulas by hand: w = 1, gradients 0.5, -0.25, 0.125.
TEST_CASE("optimisers make these steps") {
  struct Example {
    OptimizerRule rule;
    double after[3];
  };
  const double none = 0.0;
  const auto root = [](double x) { return std::sqrt(x); };
  const double g[3] = {0.5, -0.25, 0.125};
  const double a1 = 0.25, a2 = a1 + 0.0625, a3 = a2 + 0.015625;  // adagrad's sums
  const Example examples[] = {
      {{Optimizer::gd, 0.1, none, none, none, none}, {0.95, 0.975, 0.9625}},
      {{Optimizer::nesterov, 0.1, 0.9, none, none, none}, {0.905, 0.912, 0.87205}},
      {{Optimizer::adagrad, 0.1, none, none, 1e-10, none},
       {1.0 - 0.1, 0.9 + 0.1 * 0.25 / root(a2), 0.9 + 0.1 * 0.25 / root(a2) - 0.1 * 0.125 / root(a3)}},
      // Bias correction makes the first step the sign of the gradient.
      {{Optimizer::adam, 0.1, 0.9, 0.999, 1e-8, none},
       {0.9, 0.9 - 0.1 * ((0.9 * 0.05 - 0.1 * 0.25) / 0.19) / root((0.999 * 0.00025 + 0.001 * 0.0625) / (1 - 0.998001)),
        NAN}},
      {{Optimizer::adadelta, 1.0, 0.9, 0.9, 1e-6, none}, {1.0 - root(1e-6) / root(0.025 + 1e-6) * 0.5, NAN, NAN}}};
  for (const Example& example : examples) {
    OpBench bench;
    const Mat w = bench.zeros(1, 1), first = bench.zeros(1, 1), second = bench.zeros(1, 1),
              gradient = bench.zeros(1, 1);
    w.data[0] = 1.0f;
    const MatView<std::uint32_t> iteration = bench.make<std::uint32_t>(1, 1);
    const int kept = optimizer_keeps(example.rule.kind);
    for (std::uint32_t i = 0; i < 3; ++i) {
      *iteration.data = i;
      gradient.data[0] = static_cast<float>(g[i]);
      bench.run(ops::OptimizerStep{example.rule, gradient, w, kept > 0 ? first : Mat{}, kept > 1 ? second : Mat{},
                                   iteration});
      if (std::isfinite(example.after[i]))
        CHECK(static_cast<double>(w.data[0]) == Approx(example.after[i]).epsilon(1e-6));
    }
  }
}

TEST_CASE("dropout keeps the share that it says, divided by it") {
  OpBench bench;
  const std::int64_t rows = 200, cols = 150;
  const Mat in = bench.zeros(rows, cols), out = bench.zeros(rows, cols), again = bench.zeros(rows, cols),
            other = bench.zeros(rows, cols);
  for (std::int64_t i = 0; i < in.size(); ++i) in.data[i] = static_cast<float>(i + 1);
  const MatView<std::uint32_t> iteration = bench.make<std::uint32_t>(1, 1);
  *iteration.data = 3;
  for (const double rate : {0.1, 0.5, 0.9}) {
    bench.run(ops::Dropout{in, out, iteration, 77, rate, 0});
    std::int64_t kept = 0, with_neighbour = 0, wrong = 0;
    for (std::int64_t i = 0; i < in.size(); ++i) {
      if (out.data[i] == 0.0f) continue;
      ++kept;
      with_neighbour += i > 0 && out.data[i - 1] != 0.0f;
      wrong += static_cast<double>(out.data[i]) != Approx(static_cast<double>(i + 1) / (1.0 - rate)).epsilon(1e-6);
    }
    CHECK(wrong == 0);
    // Binomial: 6 standard deviations, also of the pairs of neighbours.
    const double n = static_cast<double>(in.size()), keep = 1.0 - rate;
    CHECK(static_cast<double>(kept) == Approx(n * keep).margin(6.0 * std::sqrt(n * keep * rate)));
    CHECK(static_cast<double>(with_neighbour) == Approx(n * keep * keep).margin(12.0 * std::sqrt(n * keep * keep)));
    // The same from any row on: parts of a tensor, and devices, drop the same values.
    bench.run(
        ops::Dropout{{in.row(50), rows - 50, cols}, {again.row(50), rows - 50, cols}, iteration, 77, rate, 50 * cols});
    CHECK(std::equal(out.row(50), out.data + out.size(), again.row(50)));
    // Another key, or another iteration, drops others.
    bench.run(ops::Dropout{in, other, iteration, 78, rate, 0});
    CHECK_FALSE(std::equal(out.data, out.data + out.size(), other.data));
    ++*iteration.data;
    bench.run(ops::Dropout{in, other, iteration, 77, rate, 0});
    CHECK_FALSE(std::equal(out.data, out.data + out.size(), other.data));
    --*iteration.data;
  }
}

TEST_CASE("decays next to 1 are those of double precision") {
  for (const double beta : {0.999, 0.9999, 0.99999, 1.0 - 1e-7}) {
    OpBench bench;
    const Mat w = bench.zeros(1, 1), mean = bench.zeros(1, 1), square = bench.zeros(1, 1), gradient = bench.zeros(1, 1);
    const MatView<std::uint32_t> iteration = bench.make<std::uint32_t>(1, 1);
    *iteration.data = 0;
    gradient.data[0] = 2.0f;
    bench.run(ops::OptimizerStep{{Optimizer::adam, 0.1, 0.9, beta, 1e-8, 0.0}, gradient, w, mean, square, iteration});
    CHECK(static_cast<double>(square.data[0]) == Approx((1.0 - beta) * 4.0).epsilon(4 * kEps));
    CHECK(static_cast<double>(w.data[0]) == Approx(-0.1).epsilon(8 * kEps));  // the first step has the rate's size
  }
}
