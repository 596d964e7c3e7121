// The class of a row: the first of the largest, whoever looks at which part of it.
#include "host/math/argmax.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "host/math/random.hpp"
#include "tests/support/catch.hpp"

namespace gamlp::test {

TEST_CASE("the best class is the first of the largest") {
  Random random(3);
  for (int round = 0; round < 200; ++round) {
    std::vector<float> x(1 + random.below(12));
    for (float& v : x) v = static_cast<float>(random.below(5)) - 2.0f;
    const auto n = static_cast<std::int64_t>(x.size());
    const auto expected = std::max_element(x.begin(), x.end()) - x.begin();
    CHECK(best_class(x.data(), n).index == expected);
    for (const std::int64_t parts : {2, 3, 16}) {  // as lanes that share a row
      BestClass best = best_class(x.data(), n, 0, parts);
      for (std::int64_t part = parts - 1; part > 0; --part) {
        const BestClass other = best_class(x.data(), n, part, parts);
        if (best.loses_to(other)) best = other;
      }
      CHECK(best.index == expected);
    }
  }
}

TEST_CASE("NaN is chosen only where there is nothing else") {
  const float nan = std::nanf(""), low = -std::numeric_limits<float>::infinity();
  for (const auto& [x, expected] : std::vector<std::pair<std::vector<float>, std::int64_t>>{
           {{nan, low, 1.0f}, 2}, {{nan, low}, 1}, {{low, nan}, 0}, {{nan, nan}, 0}, {{2.0f, nan, 2.0f}, 0}}) {
    CHECK(best_class(x.data(), static_cast<std::int64_t>(x.size())).index == expected);
  }
}

}  // namespace gamlp::test
