// The last layer's z-step against a solver of another kind in double, and its optimality condition.
#include "host/math/softmax_prox.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "host/math/random.hpp"
#include "tests/reference/prox.hpp"
#include "tests/support/catch.hpp"

using namespace gamlp;

namespace {

std::vector<double> widened(const std::vector<float>& x) { return {x.begin(), x.end()}; }

double largest(const std::vector<double>& x) {
  double m = 0.0;
  for (const double v : x) m = std::max(m, std::abs(v));
  return m;
}

// The stopping rule bounds the gradient by 1e-6 (1 + ν max|z|). It is evaluated in float32: fast_exp and the sum of C
// terms are off by 2e-7 + C·2^-24 relative at the worst, z − a by 2^-24 of its terms.
void check_solution(const std::vector<float>& a, std::int64_t label, float nu, std::vector<float> start) {
  const auto classes = static_cast<std::int64_t>(a.size());
  std::vector<float> scratch(a.size());
  softmax_prox(a.data(), classes, label, nu, start.data(), scratch.data());
  const std::vector<double> z = widened(start), target = widened(a);
  const double n = static_cast<double>(nu), size = std::max(largest(z), largest(target));
  const std::vector<double> g = reference::softmax_prox_gradient(target, label, n, z);
  const double rounding = 4e-7 + static_cast<double>(classes) * 0x1p-24 + n * size * 0x1p-23;
  INFO("classes " << classes << " nu " << nu << " label " << label << " size " << size);
  CHECK(largest(g) <= 1e-6 * (1.0 + n * size) + rounding);

  // The objective is ν-strongly convex: ||z − z*|| <= ||g||/ν.
  const std::vector<double> best = reference::softmax_prox(target, label, n);
  CHECK(largest(reference::softmax_prox_gradient(target, label, n, best)) < 1e-9 * (1.0 + n * size));
  double distance2 = 0.0, g2 = 0.0;
  for (std::size_t i = 0; i < z.size(); ++i) {
    distance2 += (z[i] - best[i]) * (z[i] - best[i]);
    g2 += g[i] * g[i];
  }
  CHECK(std::sqrt(distance2) <= std::sqrt(g2) / n * (1.0 + 1e-6) + 1e-9 * (1.0 + size) / std::min(n, 1.0));
  CHECK(reference::softmax_prox_value(target, label, n, z) - reference::softmax_prox_value(target, label, n, best) <=
        g2 / (2.0 * n) * (1.0 + 1e-6) + 1e-12 * (1.0 + size));
}

}  // namespace

TEST_CASE("softmax_prox finds the minimiser for any number of classes and any nu") {
  Random random(11);
  for (const std::size_t classes : {2u, 3u, 7u, 40u, 173u, 1000u}) {
    for (const float nu : {1e-4f, 1e-3f, 1e-2f, 0.1f, 1.0f, 10.0f}) {
      for (const double scale : {0.1, 3.0}) {
        std::vector<float> a(classes);
        for (float& x : a) x = static_cast<float>(scale * random.normal());
        check_solution(a, static_cast<std::int64_t>(random.below(classes)), nu, a);
      }
    }
  }
}

TEST_CASE("softmax_prox copes with extreme scores and equal scores") {
  for (const float nu : {1e-4f, 1e-3f, 1e-2f, 1.0f, 10.0f}) {
    for (const std::size_t classes : {2u, 5u, 41u}) {
      const std::vector<float> equal(classes, 0.0f);
      check_solution(equal, 0, nu, equal);
      check_solution(std::vector<float>(classes, -50.0f), static_cast<std::int64_t>(classes) - 1, nu,
                     std::vector<float>(classes, 50.0f));
      std::vector<float> spread(classes);
      for (std::size_t i = 0; i < classes; ++i) spread[i] = i % 2 == 0 ? 50.0f : -50.0f;
      check_solution(spread, 0, nu, spread);
      check_solution(spread, 1, nu, spread);
      check_solution(spread, 1, nu, equal);
    }
  }
}

TEST_CASE("softmax_prox converges from a start far away") {
  Random random(13);
  for (const float nu : {1e-3f, 1e-2f, 1.0f}) {
    std::vector<float> a(10), start(10);
    for (float& x : a) x = static_cast<float>(random.normal());
    for (float& x : start) x = static_cast<float>(50.0 * random.normal());
    check_solution(a, 4, nu, start);
  }
}

TEST_CASE("softmax_prox leaves NaN and infinity to the caller's checks") {
  for (const float bad : {std::nanf(""), INFINITY, -INFINITY}) {
    std::vector<float> a = {0.0f, bad, 1.0f}, z = a, s(3);
    softmax_prox(a.data(), 3, 0, 0.01f, z.data(), s.data());
    CHECK_FALSE((std::isfinite(z[0]) && std::isfinite(z[1]) && std::isfinite(z[2])));
  }
}

TEST_CASE("softmax_risk is the cross-entropy and fills the probabilities") {
  Random random(17);
  for (const std::size_t classes : {2u, 9u, 300u}) {
    std::vector<float> z(classes), s(classes);
    for (float& x : z) x = static_cast<float>(4.0 * random.normal());
    const float risk = softmax_risk(z.data(), static_cast<std::int64_t>(classes), 1, s.data());
    CHECK(risk == Approx(reference::cross_entropy(widened(z), 1)).epsilon(1e-5));
    double total = 0.0;
    for (const float x : s) total += static_cast<double>(x);
    CHECK(total == Approx(1.0).epsilon(static_cast<double>(classes) * 0x1p-23));
  }
}
