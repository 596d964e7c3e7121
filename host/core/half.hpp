// Converts 16-bit floats, as files store them, to float32.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace gamlp {

// From IEEE binary16.
inline float half_to_float(std::uint16_t bits) {
  const int exponent = (bits >> 10) & 31;
  const int mantissa = bits & 1023;
  float magnitude = 0;
  if (exponent == 31) {
    magnitude = mantissa ? std::numeric_limits<float>::quiet_NaN() : std::numeric_limits<float>::infinity();
  } else {
    magnitude = exponent ? std::ldexp(static_cast<float>(mantissa + 1024), exponent - 25)
                         : std::ldexp(static_cast<float>(mantissa), -24);
  }
  return bits & 0x8000 ? -magnitude : magnitude;
}

// From bfloat16, which is the upper half of a float32.
inline float bfloat16_to_float(std::uint16_t bits) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

}  // namespace gamlp
