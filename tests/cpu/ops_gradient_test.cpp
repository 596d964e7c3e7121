// The passes of the gradient update, op by op, against the formulas in double.
#include "tests/cpu/bench.hpp"

using namespace gamlp;
using namespace gamlp::test;
using reference::Dense;

namespace {

Dense row_of(const std::vector<double>& x) {
  Dense out(1, static_cast<std::int64_t>(x.size()));
  out.values = x;
  return out;
}

// τ and 1/τ of a StepSize.
double inverse_tau(const StepSize& step) {
  return *step.gradient2.data / (step.nu * *step.image2.data + step.c * *step.gradient2.data);
}

}  // namespace

TEST_CASE("the gradients of p and W gain their last terms and their norms") {
  OpBench bench;
  for (const Shape& s : shapes()) {
    const float rho = 0.3f, mu = 0.7f;
    const Mat g = bench.normal(s.v, s.n), u = bench.normal(s.v, s.n), p = bench.normal(s.v, s.n),
              q = bench.normal(s.v, s.n);
    const Scalar norm2 = bench.scalar(NAN);
    Dense expected = dense(g), scale = magnitudes(dense(g));
    for (std::size_t i = 0; i < expected.values.size(); ++i) {
      const double ui = u.data[i], pi = p.data[i], qi = q.data[i], r = rho;
      expected.values[i] += ui + r * (pi - qi);
      scale.values[i] += std::abs(ui) + r * (std::abs(pi) + std::abs(qi));
    }
    bench.run(ops::PGradient{g, u, p, q, rho, norm2});
    check_close(g, expected, scale, 4 * kEps, "gradient of p");
    check_scalar(norm2, reference::norm2(dense(g)), reference::norm2(dense(g)), sum_eps(1024), "its norm");

    const Mat w = bench.normal(s.m, s.n), gw = bench.normal(s.m, s.n);
    const Dense with_decay = reference::sum(dense(gw), dense(w), static_cast<double>(mu));
    const Dense size = reference::sum(magnitudes(dense(gw)), magnitudes(dense(w)));
    bench.run(ops::WGradient{w, gw, mu, norm2});
    check_close(gw, with_decay, size, 3 * kEps, "gradient of W");
    check_scalar(norm2, reference::norm2(dense(gw)), reference::norm2(dense(gw)), sum_eps(1024), "its norm");
  }
}

TEST_CASE("descent makes the exact step and reports tau") {
  OpBench bench;
  for (const Shape& s : shapes()) {
    const StepSize step{bench.scalar(3.0), bench.scalar(20.0), 0.01, 0.02};
    const Mat x = bench.normal(s.v, s.m), y = bench.normal(s.v, s.m);
    const Dense expected = reference::sum(dense(y), dense(x), -inverse_tau(step));
    const Dense scale = reference::sum(magnitudes(dense(y)), magnitudes(dense(x)), inverse_tau(step));
    const Scalar tau = bench.scalar(NAN);
    bench.run(ops::Descent{step, x, y, tau});
    check_close(y, expected, scale, 4 * kEps, "y");
    check_scalar(tau, 1.0 / inverse_tau(step), 1.0 / inverse_tau(step), 2 * kEps, "tau");
  }
  // No gradient: no step, and no τ.
  const Mat x = bench.zeros(2, 2), y = bench.normal(2, 2);
  const Dense before = dense(y);
  const Scalar tau = bench.scalar(NAN);
  bench.run(ops::Descent{{bench.scalar(0.0), bench.scalar(0.0), 0.01, 0.0}, x, y, tau});
  CHECK(dense(y).values == before.values);
  CHECK(*tau.data == 0.0);
}

TEST_CASE("the projected p step moves along the gradient and keeps the change") {
  OpBench bench;
  for (const Shape& s : shapes()) {
    const Mat p = bench.normal(s.v, s.n), g = bench.normal(s.v, s.n);
    const Scalar norm2 = bench.scalar(NAN), tau = bench.scalar(4.0);
    const Dense old = dense(p), target = reference::sum(dense(p), dense(g), -0.25);
    Quantize quantize;
    quantize.format = {.bits = 8, .coding = Coding::value, .range = Range::tensor};
    quantize.scales = bench.zeros(1, 2);
    bench.run(ops::PProject{p, g, {}, {}, 0.0f, tau, quantize, norm2});
    const auto [low, high] = std::minmax_element(target.values.begin(), target.values.end());
    const double step = (*high - *low) / 255.0, size = reference::largest(old) + reference::largest(target);
    bool near = true, change = true;
    for (std::size_t i = 0; i < old.values.size(); ++i) {
      const double now = static_cast<double>(p.data[i]);
      near = near && std::abs(now - target.values[i]) <= 0.5 * step + 16 * kEps * size;
      change = change &&
               static_cast<double>(g.data[i]) == static_cast<double>(p.data[i] - static_cast<float>(old.values[i]));
    }
    CHECK(near);
    CHECK(change);
    check_scalar(norm2, reference::norm2(dense(g)), reference::norm2(dense(g)), sum_eps(1024), "norm of the change");
  }
}

TEST_CASE("the p step that finishes its gradient has the bits of the two passes") {
  OpBench bench;
  for (const Shape& s : shapes()) {
    for (const Range range : {Range::tensor, Range::block}) {
      for (const Coding coding : {Coding::value, Coding::difference}) {
        for (const int bits : {4, 32}) {
          const Mat p = bench.normal(s.v, s.n), g = bench.normal(s.v, s.n), u = bench.normal(s.v, s.n),
                    q = bench.normal(s.v, s.n);
          const Mat p2 = bench.zeros(s.v, s.n), g2 = bench.zeros(s.v, s.n);
          bench.run(ops::Copy{as_bytes(ConstMat(p)), as_bytes(p2)});
          bench.run(ops::Copy{as_bytes(ConstMat(g)), as_bytes(g2)});
          const Scalar norm2 = bench.scalar(NAN), norm2_of_two = bench.scalar(NAN), tau = bench.scalar(4.0);
          Quantize quantize;
          quantize.format.bits = bits, quantize.format.coding = coding, quantize.format.range = range;
          quantize.scales = bench.zeros(1, std::max<std::int64_t>(1, quantize.format.scale_floats(s.v * s.n)));
          bench.run(ops::PProject{p, g, u, q, 0.3f, tau, quantize, norm2});
          bench.run(ops::PGradient{g2, u, p2, q, 0.3f, norm2_of_two});
          bench.run(ops::PProject{p2, g2, {}, {}, 0.0f, tau, quantize, norm2_of_two});
          CHECK(dense(p).values == dense(p2).values);
          CHECK(dense(g).values == dense(g2).values);
          CHECK(*norm2.data == *norm2_of_two.data);
        }
      }
    }
  }
}

TEST_CASE("the lagged tau is the curvature along the last change, lowered by a tenth at most") {
  OpBench bench;
  const auto updated = [&](double change2, double image2, double tau, double floor) {
    const Scalar t = bench.scalar(tau);
    bench.run(ops::TauUpdate{bench.scalar(change2), bench.scalar(image2), t, 0.5, 2.0, floor});
    return *t.data;
  };
  CHECK(updated(2.0, 12.0, 1.0, 0.9) == Approx(0.5 * 12.0 / 2.0 + 2.0));
  CHECK(updated(2.0, 0.0, 10.0, 0.9) == Approx(9.0));
  CHECK(updated(2.0, 0.0, 10.0, 0.0) == Approx(2.0));
  CHECK(updated(0.0, 0.0, 10.0, 0.9) == 10.0);  // nothing moved
}

TEST_CASE("the residual follows W and b") {
  OpBench bench;
  for (const Shape& s : shapes()) {
    const Mat d = bench.normal(s.v, s.m), r = bench.normal(s.v, s.m);
    const Scalar norm2 = bench.scalar(NAN);
    const Dense sum = reference::sum(dense(r), dense(d));
    bench.run(ops::ResidualAdd{d, r, norm2});
    check_close(r, sum, reference::sum(magnitudes(dense(r)), magnitudes(dense(d))), 2 * kEps, "r + d");
    check_scalar(norm2, reference::norm2(dense(d)), reference::norm2(dense(d)), sum_eps(1024), "norm");

    const StepSize step{bench.scalar(3.0), bench.scalar(20.0), 0.01, 0.02};
    const Mat mean = bench.normal(1, s.m), b = bench.normal(1, s.m);
    const Dense moved = reference::sum(dense(r), dense(d), -inverse_tau(step));
    const Dense size = reference::sum(magnitudes(dense(r)), magnitudes(dense(d)), inverse_tau(step));
    const Dense means = row_of(reference::column_means(moved)), mean_size = row_of(reference::column_means(size));
    const Dense bias = reference::sum(dense(b), means, -1.0);
    const Dense bias_size = reference::sum(magnitudes(dense(b)), mean_size);
    bench.run(ops::ResidualBias{step, d, r, mean, b});
    check_close(r, moved, size, 4 * kEps, "r");
    check_close(mean, means, mean_size, sum_eps(128), "mean");
    check_close(b, bias, bias_size, sum_eps(128), "b");
  }
}

TEST_CASE("the hidden z step is the proximal step, and leaves the residual") {
  OpBench bench;
  for (const Shape& s : shapes()) {
    for (const ActivationRule& f : activations()) {
      const Mat r = bench.normal(s.v, s.m), z = bench.normal(s.v, s.m), mean = bench.normal(1, s.m),
                q = bench.normal(s.v, s.m);
      const Dense old_r = dense(r), old_z = dense(z);
      const Scalar linear2 = bench.scalar(NAN);
      bench.run(ops::ZStep{r, z, mean, q, f, linear2});
      bool best = true, left = true;
      for (std::int64_t i = 0; i < s.v; ++i) {
        for (std::int64_t j = 0; j < s.m; ++j) {
          const double a = old_z(i, j) + old_r(i, j) - static_cast<double>(mean.data[j]), m = 0.5 * (a + old_z(i, j));
          const double c = static_cast<double>(q.row(i)[j]), found = static_cast<double>(z.row(i)[j]);
          const reference::Activation exact = reference_of(f);
          const double slack = prox_slack(f, m, c, 0.5);
          best = best && reference::prox_value(exact, m, c, 0.5, found) <=
                             reference::prox_value(exact, m, c, 0.5, reference::prox(exact, m, c, 0.5)) + slack;
          left = left && std::abs(static_cast<double>(r.row(i)[j]) - (a - found)) <=
                             4 * kEps * (std::abs(old_z(i, j)) + std::abs(old_r(i, j)) + std::abs(found) + 4.0);
        }
      }
      CHECK(best);
      CHECK(left);
      check_scalar(linear2, reference::norm2(dense(r)), reference::norm2(dense(r)), sum_eps(s.m), "residual");
    }
  }
}

TEST_CASE("the last z step is the softmax proximal map of every node") {
  OpBench bench;
  for (const Shape& s : shapes()) {
    if (s.m < 2) continue;
    const float nu = 0.2f;
    const Mat r = bench.normal(s.v, s.m), z = bench.normal(s.v, s.m), mean = bench.normal(1, s.m);
    const MatView<std::int32_t> labels = bench.make<std::int32_t>(1, s.v);
    for (std::int32_t& y : labels.flat())
      y = static_cast<std::int32_t>(bench.random.below(static_cast<std::uint64_t>(s.m)));
    Dense a = reference::sum(dense(z), dense(r));
    std::vector<int> classes(labels.data, labels.data + s.v);
    for (std::int64_t i = 0; i < s.v; ++i) {
      for (std::int64_t j = 0; j < s.m; ++j) a(i, j) -= static_cast<double>(mean.data[j]);
    }
    const Scalar risk = bench.scalar(NAN), linear2 = bench.scalar(NAN);
    bench.run(ops::SoftmaxStep{r, z, mean, labels, nu, risk, linear2});
    const Dense exact = reference::softmax_rows(a, classes, static_cast<double>(nu));
    // ||z − z*|| <= ||g||/ν with the stopping rule and its rounding in float32 (softmax_prox_test).
    const double size = 1.0 + reference::largest(a) + reference::largest(exact);
    const double distance =
        std::sqrt(static_cast<double>(s.m)) * (1.5e-6 + 0.2 * size * 2e-6 + static_cast<double>(s.m) * kEps) / 0.2;
    check_close(z, exact, distance, 1.0, "z");
    check_close(r, reference::sum(a, dense(z), -1.0), size, 8 * kEps, "a - z");
    reference::State state;
    state.layers.resize(1);
    state.layers[0].z = dense(z);
    state.labels = classes;
    const double total = reference::total_risk(state);
    check_scalar(risk, total, total + static_cast<double>(s.v) * size, 16 * kEps, "risk");
    check_scalar(linear2, reference::norm2(dense(r)), reference::norm2(dense(r)), sum_eps(s.m), "residual");
  }
}

TEST_CASE("the q and dual step is that of the method, with the sums of the objective") {
  OpBench bench;
  for (const Shape& s : shapes()) {
    for (const ActivationRule& f : activations()) {
      const float rho = 0.5f, nu2 = 0.2f;
      const Mat p = bench.normal(s.v, s.m), z = bench.normal(s.v, s.m), q = bench.normal(s.v, s.m),
                u = bench.normal(s.v, s.m);
      const MatView<double> sums = bench.make<double>(1, 4);
      reference::Rules rules;
      rules.f = reference_of(f);
      rules.rho = static_cast<double>(rho);
      reference::Layer layer;
      layer.z = dense(z), layer.q = dense(q), layer.u = dense(u);
      reference::q_and_dual(layer, dense(p), rules, static_cast<double>(nu2));
      bench.run(ops::QDual{p, z, q, u, f, rho, nu2, {}, sums});
      const double extra =
          reference::largest(dense(p)) + reference::largest(dense(z)) + reference::largest(layer.u) + 1.0;
      // (ρp + u + ν2 f)/(ρ + ν2): coefficients below 2; f(z) of tanh is off by 3e-7, five roundings.
      check_close(q, layer.q, extra, 16 * kEps, "q");
      check_close(u, layer.u, extra, 16 * kEps, "u");
      const Dense gap = reference::sum(dense(p), dense(q), -1.0);
      const Dense miss = reference::sum(dense(q), reference::applied(rules.f, dense(z)), -1.0);
      const double v = static_cast<double>(s.v * s.m), unit = extra * extra * v;
      CHECK(sums.data[0] == Approx(reference::norm2(miss)).margin(unit * 32 * kEps));
      CHECK(sums.data[1] == Approx(reference::inner(dense(u), gap)).margin(unit * 32 * kEps));
      CHECK(sums.data[2] == Approx(reference::norm2(gap)).margin(unit * 32 * kEps));
      CHECK(sums.data[3] == Approx(reference::norm2(dense(q))).margin(unit * 32 * kEps));
    }
  }
}
