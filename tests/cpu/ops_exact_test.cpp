// The steps of the exact update, op by op, against the formulas in double.
#include "tests/cpu/bench.hpp"

using namespace gamlp;
using namespace gamlp::test;
using reference::Dense;

namespace {

Dense repeated(ConstMat row, std::int64_t rows) {
  Dense out(rows, row.cols);
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t j = 0; j < row.cols; ++j) out(i, j) = static_cast<double>(row.data[j]);
  }
  return out;
}

struct WeightProblem {
  Mat p, t, w, b;
};

// Solves one W step through the ops; returns θ, λ'.
std::pair<double, double> solve_weights(OpBench& bench, const WeightProblem& x, double nu, double kappa, double lambda,
                                        double mu) {
  const std::int64_t v = x.p.rows, n = x.p.cols, m = x.t.cols;
  const Mat factor = bench.zeros(n, n), p_mean = bench.zeros(1, n), t_mean = bench.zeros(1, m), rhs = bench.zeros(m, n);
  const MatView<double> ridge = bench.make<double>(1, 2);
  bench.run(ops::ColumnMean{x.p, p_mean});
  bench.run(ops::ColumnMean{x.t, t_mean});
  bench.run(ops::Gram{x.p, factor});
  bench.run(ops::Gemm{x.t, x.p, rhs, true, false});
  bench.run(ops::WFactor{factor, p_mean, ridge, v, nu, kappa, lambda, mu});
  bench.run(ops::WSolve{factor, p_mean, t_mean, ridge, rhs, x.w, x.b, v, nu});
  return {ridge.data[0], ridge.data[1]};
}

// The same step by the V × V factor.
std::pair<double, double> solve_weights_by_kernel(OpBench& bench, const WeightProblem& x, double nu, double kappa,
                                                  double lambda, double mu) {
  const std::int64_t v = x.p.rows, n = x.p.cols, m = x.t.cols;
  const Mat p_mean = bench.zeros(1, n), t_mean = bench.zeros(1, m), centred = bench.zeros(v, n);
  const Mat factor = bench.zeros(v, v), error = bench.zeros(v, m);
  const MatView<double> ridge = bench.make<double>(1, 2);
  bench.run(ops::ColumnMean{x.p, p_mean});
  bench.run(ops::ColumnMean{x.t, t_mean});
  bench.run(ops::Centre{x.p, p_mean, centred});
  bench.run(ops::OuterGram{centred, factor});
  bench.run(ops::KernelFactor{factor, p_mean, ridge, nu, kappa, lambda, mu});
  bench.run(ops::WAnchor{x.w, ridge, mu});
  bench.run(ops::Centre{x.t, t_mean, error});
  bench.run(ops::Gemm{centred, x.w, error, false, true, -1.0f, 1.0f});
  bench.run(ops::FactorSolve{factor, error});
  bench.run(ops::Gemm{error, centred, x.w, true, false, static_cast<float>(nu), 1.0f});
  bench.run(ops::BiasOfMeans{x.w, p_mean, t_mean, x.b});
  return {ridge.data[0], ridge.data[1]};
}

}  // namespace

TEST_CASE("p_operators and p_inputs give the minimising p") {
  OpBench bench;
  for (const Shape& s : shapes()) {
    const float nu = 0.4f, rho = 0.4f;
    const Mat w = bench.normal(s.m, s.n, 0.3), k1 = bench.zeros(s.m, s.n), k2 = bench.zeros(s.n, s.n);
    const Mat t = bench.normal(s.v, s.m), b = bench.normal(1, s.m), q = bench.normal(s.v, s.n),
              u = bench.normal(s.v, s.n, 0.1);
    const Mat x1 = bench.zeros(s.v, s.m), x2 = bench.zeros(s.v, s.n), p = bench.zeros(s.v, s.n);
    bench.run(ops::POperators{w, k1, k2, nu, rho});
    bench.run(ops::PInputs{t, b, q, u, x1, x2, rho});
    bench.run(ops::Gemm{x1, k1, p});
    bench.run(ops::Gemm{x2, k2, p, false, false, 1.0f, 1.0f});
    // Optimality: M p = νWᵀ(t − b) + ρq − u. The relative error of p is that of the system, cond(M)·n·eps.
    const Dense wd = dense(w);
    Dense m = reference::product(reference::transposed(wd), wd);
    for (double& x : m.values) x *= static_cast<double>(nu);
    for (std::int64_t i = 0; i < s.n; ++i) m(i, i) += static_cast<double>(rho);
    Dense rhs = reference::product(reference::sum(dense(t), repeated(b, s.v), -1.0), wd);
    for (double& x : rhs.values) x *= static_cast<double>(nu);
    rhs = reference::sum(reference::sum(rhs, dense(q), static_cast<double>(rho)), dense(u), -1.0);
    const Dense exact = reference::transposed(reference::solved(m, reference::transposed(rhs)));
    double trace = 0.0;
    for (std::int64_t i = 0; i < s.n; ++i) trace += m(i, i);
    const double condition = trace / static_cast<double>(rho);  // eigenvalues lie in [ρ, trace]
    check_close(p, exact, reference::largest(exact) + 1.0, sum_eps(s.n + s.m) * condition, "p");
  }
}

TEST_CASE("the n x n and the V x V form give the joint minimiser in W and b") {
  OpBench bench;
  const auto solve = GENERATE(&solve_weights, &solve_weights_by_kernel);
  for (const Shape& s : shapes()) {
    for (const auto& [lambda, mu] : {std::pair{0.0, 0.0}, std::pair{10.0, 0.0}, std::pair{0.0, 3.0}}) {
      const double nu = 0.4, kappa = 0.05;
      const WeightProblem x{bench.normal(s.v, s.n), bench.normal(s.v, s.m), bench.normal(s.m, s.n),
                            bench.normal(1, s.m)};
      for (float& value : x.p.flat()) value += 0.5f;  // a mean, as after ReLU
      reference::Layer layer;
      layer.p = dense(x.p), layer.w = dense(x.w), layer.b.resize(static_cast<std::size_t>(s.m));
      reference::Rules rules;
      rules.nu = nu, rules.kappa = kappa, rules.lambda = lambda;
      reference::exact_weights(layer, dense(x.t), rules, mu, lambda > 0.0);
      const auto [theta, identity] = solve(bench, x, nu, kappa, lambda, mu);
      const double g = reference::norm2(layer.p) / static_cast<double>(s.n);
      CHECK(theta == Approx(kappa * nu * g).epsilon(1e-5));
      CHECK(identity == Approx(lambda * nu * g).epsilon(1e-5));
      // Condition: the trace of νG over the ridge.
      const double condition = 1.0 + nu * reference::norm2(layer.p) / (theta + identity + mu);
      const double eps = sum_eps(s.v + s.n) * condition;
      const double size = reference::largest(layer.w) + 1.0;
      check_close(x.w, layer.w, size, eps, "W");
      Dense b(1, s.m);
      b.values = layer.b;
      check_close(x.b, b, size * static_cast<double>(s.n), eps, "b");
    }
  }
}

TEST_CASE("a layer without any signal keeps a solvable system") {
  OpBench bench;
  const auto solve = GENERATE(&solve_weights, &solve_weights_by_kernel);
  const WeightProblem x{bench.zeros(9, 4), bench.normal(9, 3), bench.normal(3, 4), bench.normal(1, 3)};
  solve(bench, x, 1e-3, 1e-3, 0.0, 0.0);
  for (const float value : x.w.flat()) CHECK(std::isfinite(value));
  const std::vector<double> means = reference::column_means(dense(x.t));
  for (std::size_t j = 0; j < 3; ++j) CHECK(x.b.data[j] == Approx(means[j]).margin(1e-6));
}

TEST_CASE("NaN in the weights reaches the results instead of stopping the worker") {
  OpBench bench;
  const auto solve = GENERATE(&solve_weights, &solve_weights_by_kernel);
  const Mat w = bench.normal(3, 4), k1 = bench.zeros(3, 4), k2 = bench.zeros(4, 4);
  w.data[5] = NAN;
  bench.run(ops::POperators{w, k1, k2, 0.1f, 0.1f});
  CHECK(std::isnan(k2.data[0]));
  const WeightProblem x{bench.normal(9, 4), bench.normal(9, 3), bench.normal(3, 4), bench.normal(1, 3)};
  x.p.data[3] = NAN;
  solve(bench, x, 1e-3, 1e-3, 0.0, 0.0);
  CHECK(std::isnan(x.w.data[0]));
}

TEST_CASE("the kernel form is the n x n form in the span of the inputs") {
  OpBench bench;
  for (const auto& [v, n, m] : {Shape{1, 3, 2}, Shape{5, 9, 3}, Shape{20, 64, 7}}) {
    for (const double mu : {0.0, 0.9}) {
      const double nu = 0.4, kappa = 0.05;
      Mat x = bench.normal(v, n);
      const Mat mean = bench.zeros(1, n), t = bench.normal(v, m), t_mean = bench.zeros(1, m);
      bench.run(ops::ColumnMean{x, mean});
      bench.run(ops::ColumnMean{t, t_mean});
      for (std::int64_t i = 0; i < v; ++i) {
        for (std::int64_t j = 0; j < n; ++j) x.row(i)[j] -= mean.data[j];
      }
      const Mat factor = bench.zeros(v, v), a = bench.zeros(v, m), c = bench.normal(v, m, 0.1), b = bench.normal(1, m);
      bench.run(ops::Gemm{x, x, factor, false, true});
      bench.run(ops::Gemm{factor, c, a});
      const Dense k = dense(factor);
      double trace = 0.0;
      for (std::int64_t i = 0; i < v; ++i) trace += k(i, i);
      reference::Layer layer;
      layer.p = dense(x);
      layer.w = reference::product(reference::transposed(dense(c)), dense(x));
      layer.b.resize(static_cast<std::size_t>(m));
      reference::Rules rules;
      rules.nu = nu, rules.kappa = kappa;
      const MatView<double> ridge = bench.make<double>(1, 2);
      bench.run(ops::KernelFactor{factor, bench.zeros(1, n), ridge, nu, kappa, 0.0, mu});
      CHECK(ridge.data[0] == Approx(kappa * nu * trace / static_cast<double>(n)));
      CHECK(ridge.data[1] == 0.0);
      const double condition = 1.0 + nu * trace / (std::max(ridge.data[0] + mu, 1e-30));
      if (v == 1) continue;                         // one centred node is 0: nothing to learn
      for (int repeat = 0; repeat < 3; ++repeat) {  // a and c are carried along
        reference::exact_weights(layer, dense(t), rules, mu, false);
        bench.run(ops::KernelSolve{factor, t, t_mean, ridge, bench.zeros(v, m), a, c, b, nu, mu});
        const Dense w = reference::product(reference::transposed(dense(c)), dense(x));
        const double eps = sum_eps(v) * condition * (repeat + 1.0), size = reference::largest(layer.w) + 1.0;
        CHECK(reference::largest(reference::sum(w, layer.w, -1.0)) <= eps * size);
        const Dense expected_a = reference::product(dense(x), reference::transposed(layer.w));
        check_close(a, expected_a, reference::largest(expected_a) + 1.0, eps, "a = K c");
        Dense bias(1, m);
        bias.values = layer.b;
        check_close(b, bias, size * static_cast<double>(n), eps, "b");
      }
    }
  }
}

TEST_CASE("the joint z and q step minimises, updates its multiplier, and steps the dual") {
  OpBench bench;
  for (const Shape& s : shapes()) {
    for (const ActivationRule& f : activations()) {
      const double nu = 0.2, rho = 0.2, nu2 = 0.8, beta = 0.9, k = nu2 * rho / (nu2 + rho) / nu;
      const Mat a = bench.normal(s.v, s.m), b = bench.normal(1, s.m), p = bench.normal(s.v, s.m);
      const Mat z = bench.normal(s.v, s.m), v = bench.normal(s.v, s.m), t = bench.normal(s.v, s.m);
      const Mat q = bench.normal(s.v, s.m), u = bench.normal(s.v, s.m, 0.2);
      const Dense linear = reference::sum(dense(a), repeated(b, s.v)), target = reference::sum(linear, dense(v));
      const Dense old_u = dense(u);
      const Scalar linear2 = bench.scalar(NAN);
      const MatView<double> sums = bench.make<double>(1, 4);
      bench.run(ops::ZqExact{a, b, p, z, v, t, q, u, f, 0.2f, 0.2f, 0.8f, 0.9f, {}, linear2, sums});
      const reference::Activation exact = reference_of(f);
      bool best = true;
      for (std::size_t i = 0; i < target.values.size(); ++i) {
        const double m = target.values[i], c = static_cast<double>(p.data[i]) + old_u.values[i] / rho;
        const double slack = prox_slack(f, m, c, k);
        best = best && reference::prox_value(exact, m, c, k, static_cast<double>(z.data[i])) <=
                           reference::prox_value(exact, m, c, k, reference::prox(exact, m, c, k)) + slack;
      }
      CHECK(best);
      const double size = reference::largest(target) + reference::largest(dense(z)) + 2.0;
      Dense multiplier = reference::sum(target, dense(z), -1.0);
      for (double& x : multiplier.values) x *= beta;
      check_close(v, multiplier, size, 6 * kEps, "v");
      check_close(t, reference::sum(dense(z), dense(v), -1.0), size, 2 * kEps, "t");
      const double left = reference::norm2(reference::sum(dense(z), linear, -1.0));
      check_scalar(linear2, left, left + size * size, sum_eps(s.m) + 8 * kEps, "||z - a - b||");
      reference::Layer layer;
      layer.z = dense(z), layer.q = Dense(s.v, s.m), layer.u = old_u;
      reference::Rules rules;
      rules.f = exact, rules.rho = rho;
      reference::q_and_dual(layer, dense(p), rules, nu2);
      check_close(q, layer.q, size, 16 * kEps, "q");
      check_close(u, layer.u, size, 16 * kEps, "u");
      // The joint minimum over z and q, not of z alone: (ν/2)(z−A)² + (ν2/2)(q−f)² + (ρ/2)(p+u/ρ−q)² in q.
      bool joint = true;
      for (std::size_t i = 0; i < target.values.size(); ++i) {
        const double c = static_cast<double>(p.data[i]) + old_u.values[i] / rho, fz = exact(layer.z.values[i]);
        const double eliminated = nu2 * rho / (nu2 + rho) * (c - fz) * (c - fz);
        const double q1 = layer.q.values[i];
        const double direct = nu2 * (q1 - fz) * (q1 - fz) + rho * (c - q1) * (c - q1);
        joint = joint && std::abs(eliminated - direct) <= 1e-12 * (1.0 + direct);
      }
      CHECK(joint);
    }
  }
}

TEST_CASE("the last layer's exact step adds the multiplier to the softmax proximal map") {
  OpBench bench;
  for (const Shape& s : shapes()) {
    if (s.m < 2) continue;
    const Mat a = bench.normal(s.v, s.m), b = bench.normal(1, s.m), z = bench.normal(s.v, s.m);
    const Mat v = bench.normal(s.v, s.m), t = bench.normal(s.v, s.m);
    const MatView<std::int32_t> labels = bench.make<std::int32_t>(1, s.v);
    for (std::int32_t& y : labels.flat())
      y = static_cast<std::int32_t>(bench.random.below(static_cast<std::uint64_t>(s.m)));
    const Dense linear = reference::sum(dense(a), repeated(b, s.v)), target = reference::sum(linear, dense(v));
    const Dense exact = reference::softmax_rows(target, {labels.data, labels.data + s.v}, static_cast<double>(0.2f));
    const Scalar risk = bench.scalar(NAN), linear2 = bench.scalar(NAN);
    bench.run(ops::SoftmaxExact{a, b, z, v, t, labels, 0.2f, 0.9f, risk, linear2});
    const double size = 2.0 + reference::largest(target) + reference::largest(exact);
    const double distance =
        std::sqrt(static_cast<double>(s.m)) * (1.5e-6 + 0.2 * size * 2e-6 + static_cast<double>(s.m) * kEps) / 0.2;
    check_close(z, exact, distance, 1.0, "z");
    Dense multiplier = reference::sum(target, dense(z), -1.0);
    for (double& x : multiplier.values) x *= 0.9;
    check_close(v, multiplier, size, 6 * kEps, "v");
    check_close(t, reference::sum(dense(z), dense(v), -1.0), size, 2 * kEps, "t");
    const double left = reference::norm2(reference::sum(dense(z), linear, -1.0));
    check_scalar(linear2, left, left + size * size, sum_eps(s.m) + 8 * kEps, "||z - a - b||");
    CHECK(std::isfinite(*risk.data));
  }
}
