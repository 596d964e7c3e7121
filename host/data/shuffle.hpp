// Shuffles by a seed, in the same way on every platform (std::shuffle does not).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "host/math/random.hpp"

namespace gamlp {

// Shuffles by the method of Fisher and Yates.
template <class T>
void shuffle(std::span<T> values, std::uint64_t key) {
  Random random(key);
  for (std::size_t i = values.size(); i > 1; --i) std::swap(values[i - 1], values[random.below(i)]);
}

}  // namespace gamlp
