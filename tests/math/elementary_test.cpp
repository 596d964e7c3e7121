#include "host/math/elementary.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "host/math/prox.hpp"
#include "tests/support/catch.hpp"

using namespace gamlp;

namespace {

// Every 61st float of [low, high], in order of their bit patterns.
template <class Body>
void sweep(float low, float high, Body body) {
  const float step = 1.0f + 61.0f * 0x1p-23f;
  for (float x = low; x <= high; x *= step) body(x);
}

}  // namespace

TEST_CASE("fast_exp is within its stated relative error wherever the result is a normal number") {
  double worst = 0.0;
  const auto look = [&](float x) {
    const double exact = std::exp(static_cast<double>(x));
    worst = std::max(worst, std::abs(static_cast<double>(fast_exp(x)) - exact) / exact);
  };
  sweep(1e-6f, 87.0f, [&](float x) { look(x), look(-x); });
  look(0.0f);
  INFO("worst relative error " << worst);
  CHECK(worst < 2e-7);
}

TEST_CASE("fast_exp saturates instead of overflowing") {
  CHECK(fast_exp(0.0f) == 1.0f);
  for (const float x : {-88.0f, -1000.0f, -std::numeric_limits<float>::infinity()}) {
    CHECK(fast_exp(x) >= 0.0f);
    CHECK(fast_exp(x) <= 2.0f * std::numeric_limits<float>::min());
  }
  for (const float x : {88.0f, 89.0f, 1e30f, std::numeric_limits<float>::infinity()}) {
    CHECK(std::isfinite(fast_exp(x)));
    CHECK(static_cast<double>(fast_exp(x)) == Approx(std::exp(88.0)).epsilon(1e-6));
  }
}

TEST_CASE("fast_exp rises with its argument up to its rounding") {
  float last = 0.0f;
  bool rising = true;
  for (float x = -90.0f; x < 90.0f; x += 0.001f) {
    const float y = fast_exp(x);
    rising = rising && y >= last * (1.0f - 4e-7f);
    last = y;
  }
  CHECK(rising);
}

TEST_CASE("fast_tanh is within its stated absolute error and is odd") {
  double worst = 0.0;
  bool odd = true, bounded = true;
  sweep(1e-6f, 50.0f, [&](float x) {
    const float y = fast_tanh(x);
    worst = std::max(worst, std::abs(static_cast<double>(y) - std::tanh(static_cast<double>(x))));
    odd = odd && fast_tanh(-x) == -y;
    bounded = bounded && y <= 1.0f;
  });
  INFO("worst absolute error " << worst);
  CHECK(worst < 3e-7);
  CHECK(odd);
  CHECK(bounded);
  CHECK(fast_tanh(0.0f) == 0.0f);
  CHECK(fast_tanh(std::numeric_limits<float>::infinity()) == 1.0f);
}

TEST_CASE("inverse_step inverts the exact step size, and makes no step without a gradient") {
  // τ = (ν·image2 + c·gradient2)/gradient2
  CHECK(inverse_step(4.0, 8.0, 0.5, 3.0) == Approx(4.0 / (0.5 * 8.0 + 3.0 * 4.0)));
  CHECK(inverse_step(0.0, 0.0, 0.5, 3.0) == 0.0f);
  CHECK(inverse_step(0.0, 0.0, 0.5, 0.0) == 0.0f);
  CHECK(inverse_step(4.0, 0.0, 0.5, 0.0) == 0.0f);  // a direction without curvature
  CHECK(inverse_step(1e-300, 1e-300, 1.0, 1.0) == Approx(0.5));
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK(inverse_step(nan, 1.0, 1.0, 1.0) == 0.0f);
}

TEST_CASE("the q and dual steps are those of the method") {
  const float p = 0.7f, u = -0.2f, fz = 0.3f, rho = 0.5f, nu2 = 2.0f;
  const float q = q_target(p, u, fz, rho, nu2, 1.0f / (rho + nu2));
  CHECK(q == Approx((0.5 * 0.7 - 0.2 + 2.0 * 0.3) / 2.5));
  const float fresh = dual_step(u, p, q, rho);
  CHECK(fresh == Approx(-0.2 + 0.5 * (0.7 - static_cast<double>(q))).margin(1e-7));
  CHECK(fresh == Approx(2.0 * (static_cast<double>(q) - 0.3)).margin(4e-7));  // Lemma 4
}
