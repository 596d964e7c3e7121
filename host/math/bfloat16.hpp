// bfloat16: the upper half of the bits of a float32.
#pragma once

#include <bit>
#include <cstdint>

#include "host/math/annotations.hpp"

namespace gamlp {

// Rounds to nearest, ties to even. NaN stays NaN.
GAMLP_HD inline std::uint16_t bfloat16_bits(float x) {
  if (x != x) return 0x7FC0;
  const auto bits = std::bit_cast<std::uint32_t>(x);
  return static_cast<std::uint16_t>((bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16);
}
GAMLP_HD inline float from_bfloat16(std::uint16_t half) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(half) << 16);
}

}  // namespace gamlp
