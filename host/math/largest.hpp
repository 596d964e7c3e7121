// Top-k sparsification: the k values of a block that are largest in magnitude (docs/algorithm.md §12). Values are
// compared by the bits of their magnitudes, so that there is one order on every device. NaN is larger than every
// number. Of values of the same magnitude the first ones count.
#pragma once

#include <bit>
#include <cstdint>

#include "host/math/annotations.hpp"

namespace gamlp {

GAMLP_HD inline std::uint32_t magnitude_bits(float x) { return std::bit_cast<std::uint32_t>(x) & 0x7FFFFFFFu; }

// Returns the largest bits that at least k values of a block reach. `reaching` counts those that reach some bits.
template <class Count>
GAMLP_HD std::uint32_t least_of_largest(std::int32_t k, Count reaching) {
  std::uint32_t least = 0;
  for (std::uint32_t bit = 1u << 30; bit != 0; bit >>= 1) {
    if (reaching(least | bit) >= k) least |= bit;
  }
  return least;
}

}  // namespace gamlp
