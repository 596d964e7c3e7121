// prox_activation against brute-force minimisation in double, and its optimality condition.
#include "host/math/prox.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "host/math/random.hpp"
#include "tests/reference/prox.hpp"
#include "tests/support/catch.hpp"

using namespace gamlp;

namespace {

struct Problem {
  float m, c, k;
};

// Random problems of several scales, and the corners: zeros, kinks, ties, far saturation.
std::vector<Problem> problems() {
  std::vector<Problem> list;
  Random random(7);
  for (const double scale : {0.01, 1.0, 5.0, 60.0}) {
    for (const double k : {0.5, 0.8, 0.01, 4.0}) {
      for (int i = 0; i < 250; ++i) {
        list.push_back({static_cast<float>(scale * random.normal()), static_cast<float>(scale * random.normal()),
                        static_cast<float>(k)});
      }
    }
  }
  for (const float m : {0.0f, 1.0f, -1.0f, 1e-20f, -30.0f, 30.0f}) {
    for (const float c : {0.0f, 1.0f, -1.0f, 1e-20f, -30.0f, 30.0f}) list.push_back({m, c, 0.5f});
  }
  return list;
}

// How far float32 can lie above the minimum: a point z + δ costs at most δ² (1 + kL²) more near a smooth minimum (L = 1
// bounds every slope here), with δ = 8 float steps of the largest number that takes part; and two candidates are told
// apart up to the rounding of their values.
double value_tolerance(const Problem& x, double best) {
  const double size = std::abs(static_cast<double>(x.m)) + std::abs(static_cast<double>(x.c)) + 1e-30;
  const double delta = 8.0 * 0x1p-24 * size;
  return delta * delta * (1.0 + static_cast<double>(x.k)) + 8.0 * 0x1p-24 * best;
}

template <class F>
void check_against_brute_force(F f, const reference::Activation& exact, double extra) {
  int off = 0;
  for (const Problem& x : problems()) {
    const double m = static_cast<double>(x.m), c = static_cast<double>(x.c), k = static_cast<double>(x.k);
    const double found = static_cast<double>(prox_activation(f, x.m, x.c, x.k));
    const double best = reference::brute_prox(exact, m, c, k);
    const double value = reference::prox_value(exact, m, c, k, found);
    const double least = reference::prox_value(exact, m, c, k, best);
    INFO("m " << m << " c " << c << " k " << k << " found " << found << " best " << best);
    // Two minima of the tanh problem that nearly tie are told apart on the grid of its scan only.
    const double half_step = extra > 0.0 ? std::min(k * (std::abs(c) + 1.0), 18.0) / 32.0 : 0.0;
    const double tie = half_step * half_step * (1.0 + k * (2.0 + std::abs(c)));
    CHECK(value - least <= value_tolerance(x, least) + extra * (1.0 + std::abs(c)) * (1.0 + k) + tie);
    off += value - least > value_tolerance(x, least) + extra * (1.0 + std::abs(c)) * (1.0 + k);
  }
  CHECK(off <= 5);  // of thousands
}

}  // namespace

TEST_CASE("the hidden z-step finds the minimum for ReLU") {
  check_against_brute_force(LeakyRelu{0.0f}, {reference::Activation::relu, 0.0}, 0.0);
}

TEST_CASE("the hidden z-step finds the minimum for leaky ReLU") {
  for (const float slope : {0.01f, 0.2f, 0.9f}) {
    check_against_brute_force(LeakyRelu{slope}, {reference::Activation::leaky, static_cast<double>(slope)}, 0.0);
  }
}

// fast_tanh is off by up to 3e-7, so values of the second term are off by k·2|c − f|·3e-7.
TEST_CASE("the hidden z-step finds the minimum for tanh") {
  check_against_brute_force(Tanh{}, {reference::Activation::tanh, 0.0}, 2 * 2 * 3e-7);
}

TEST_CASE("the gradient update's three-term problem is the one that is solved") {
  Random random(3);
  for (int i = 0; i < 200; ++i) {
    const double a = random.normal(), q = random.normal(), old = random.normal();
    const double below = std::min((a + old) / 2.0, 0.0), above = std::max((a + q + old) / 3.0, 0.0);
    const auto value = [&](double z) {
      const double gap = q - std::max(z, 0.0);
      return (z - a) * (z - a) + gap * gap + (z - old) * (z - old);
    };
    const double best = value(above) < value(below) ? above : below;
    const float found =
        prox_activation(LeakyRelu{0.0f}, static_cast<float>(0.5 * (a + old)), static_cast<float>(q), 0.5f);
    CHECK(value(static_cast<double>(found)) <= value(best) + 1e-6 * value(best));
    if (std::abs(value(above) - value(below)) > 1e-5) CHECK(found == Approx(best).margin(1e-6));
  }
}

TEST_CASE("the minimiser meets its optimality condition") {
  Random random(5);
  for (int i = 0; i < 500; ++i) {
    const float m = static_cast<float>(2.0 * random.normal()), c = static_cast<float>(2.0 * random.normal()), k = 0.8f;
    const double size = std::abs(static_cast<double>(m)) + std::abs(static_cast<double>(c));
    const double z = static_cast<double>(prox_activation(Tanh{}, m, c, k));
    const double t = std::tanh(z);
    const double slope = (z - static_cast<double>(m)) - 0.8 * (static_cast<double>(c) - t) * (1.0 - t * t);
    // 20 halvings of an interval of two steps, each k(|c|+1)/16, then times the largest second derivative, 1 +
    // 2k(|c|+1).
    const double width = 2.0 * 0.8 * (std::abs(static_cast<double>(c)) + 1.0) / 16.0 * 0x1p-20;
    const double bound =
        (width + 0x1p-22 * (1.0 + size)) * (1.0 + 2.0 * 0.8 * (size + 1.0)) + 0.8 * 1e-6 * (1.0 + size);
    INFO("m " << m << " c " << c << " z " << z);
    CHECK(std::abs(slope) <= bound);

    const double r = static_cast<double>(prox_activation(LeakyRelu{0.0f}, m, c, k));
    const double left = r - static_cast<double>(m) - (r > 0.0 ? 0.8 * (static_cast<double>(c) - r) : 0.0);
    if (r != 0.0) CHECK(std::abs(left) <= 8 * 0x1p-24 * (1.0 + size));
    if (r == 0.0) CHECK(m >= 0.0f);  // stays at the kink only when the left half-line pushes there
  }
}
