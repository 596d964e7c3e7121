// Permutations that are functions of a key.
#include "host/math/permutation.hpp"

#include <algorithm>
#include <vector>

#include "tests/support/catch.hpp"

using namespace gamlp;

namespace {

std::vector<std::uint32_t> all_of(std::uint32_t key, std::uint32_t count) {
  const Permutation permutation(key, count);
  std::vector<std::uint32_t> out;
  for (std::uint32_t i = 0; i < count; ++i) out.push_back(permutation(i));
  return out;
}

}  // namespace

TEST_CASE("a permutation has every number once") {
  for (const std::uint32_t count : {1u, 2u, 3u, 4u, 5u, 15u, 16u, 17u, 63u, 64u, 65u, 1000u, 70000u}) {
    for (const std::uint32_t key : {0u, 1u, 0xDEADBEEFu}) {
      std::vector<std::uint32_t> numbers = all_of(key, count);
      std::sort(numbers.begin(), numbers.end());
      bool whole = true;
      for (std::uint32_t i = 0; i < count; ++i) whole = whole && numbers[i] == i;
      INFO(count << " numbers, key " << key);
      CHECK(whole);
    }
  }
}

TEST_CASE("permutations of other keys are other ones, and no number prefers a place") {
  CHECK(all_of(1, 100) != all_of(2, 100));
  // Where 0, 1, 2 of three numbers go over many keys: each place a third of the time; 5 standard deviations.
  constexpr int kKeys = 9000;
  int counts[3][3] = {};
  double same = 0;  // numbers of 50 that stay where they are: one on average
  for (std::uint32_t key = 0; key < kKeys; ++key) {
    const auto numbers = all_of(key, 3);
    for (std::size_t i = 0; i < 3; ++i) ++counts[i][numbers[i]];
    const auto more = all_of(key, 50);
    for (std::uint32_t i = 0; i < 50; ++i) same += more[i] == i ? 1.0 / kKeys : 0.0;
  }
  for (const auto& row : counts) {
    for (const int count : row) CHECK(std::abs(count - kKeys / 3) < 225);
  }
  CHECK(same == Approx(1.0).margin(0.06));
}
