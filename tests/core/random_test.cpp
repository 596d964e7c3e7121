#include "host/math/random.hpp"

#include <array>
#include <set>
#include <vector>

#include "tests/support/catch.hpp"

using namespace gamlp;

TEST_CASE("numbers are a function of key and counter, the same on every machine") {
  CHECK(mix64(0) == 0xE220A8397B1DCDAFull);  // the first output of SplitMix64 seeded with 0
  CHECK(random_u32(1u, 2u) == random_u32(1u, 2u));
  CHECK(random_u32(1u, 2u) != random_u32(2u, 1u));
  CHECK(random_key(1, 2, 3) != random_key(1, 3, 2));
  CHECK(random_key(1, 2) == random_key(1, 2, 0));
  Random a(7), b(7);
  for (int i = 0; i < 10; ++i) CHECK(a.next() == b.next());
}

TEST_CASE("keys of nearby seeds, layers and tensors do not meet") {
  std::set<std::uint64_t> keys;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    for (std::uint64_t a = 0; a < 20; ++a) {
      for (std::uint64_t b = 0; b < 20; ++b) keys.insert(random_key(seed, a, b));
    }
  }
  CHECK(keys.size() == 8000);
}

TEST_CASE("the dither of stochastic rounding is uniform in [0, 1), within a key and across keys") {
  constexpr int kDraws = 200000, kBins = 20;
  for (const bool across : {false, true}) {
    std::array<int, kBins> bins{};
    bool inside = true;
    double sum = 0.0, product = 0.0, last = 0.0;
    for (std::uint32_t i = 0; i < kDraws; ++i) {
      const float x = across ? random_unit(i * 0x85EBCA6Bu, 17u) : random_unit(123u, i);
      inside = inside && x >= 0.0f && x < 1.0f;
      ++bins[static_cast<std::size_t>(x * kBins)];
      sum += static_cast<double>(x);
      product += (static_cast<double>(x) - 0.5) * (last - 0.5);
      last = static_cast<double>(x);
    }
    CHECK(inside);
    // Five standard errors: of the mean sqrt(1/12/n), of the correlation 1/12/sqrt(n), of a bin sqrt(n/20).
    const double n = kDraws;
    CHECK(std::abs(sum / n - 0.5) < 5.0 * std::sqrt(1.0 / 12.0 / n));
    CHECK(std::abs(product / n) < 5.0 / 12.0 / std::sqrt(n));
    for (const int bin : bins) CHECK(std::abs(bin - n / kBins) < 5.0 * std::sqrt(n / kBins));
  }
}

TEST_CASE("the generator's uniforms, integers and normals have their moments") {
  Random random(5);
  constexpr int kDraws = 100000;
  double sum = 0.0, sum2 = 0.0, sum4 = 0.0;
  std::vector<int> counts(7);
  for (int i = 0; i < kDraws; ++i) {
    const double x = random.normal();
    sum += x, sum2 += x * x, sum4 += x * x * x * x;
    const double u = random.uniform();
    if (u < 0.0 || u >= 1.0) FAIL("uniform out of range");
    ++counts[static_cast<std::size_t>(random.below(7))];
  }
  const double root = std::sqrt(static_cast<double>(kDraws));
  CHECK(std::abs(sum / kDraws) < 5.0 / root);
  CHECK(std::abs(sum2 / kDraws - 1.0) < 5.0 * std::sqrt(2.0) / root);
  CHECK(std::abs(sum4 / kDraws - 3.0) < 5.0 * std::sqrt(96.0) / root);
  for (const int count : counts) CHECK(std::abs(count - kDraws / 7.0) < 5.0 * std::sqrt(kDraws / 7.0));
  CHECK(random.below(1) == 0);
}
