// Converts IEEE's 16-bit floats, as files store them, to float32.
#pragma once

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

}  // namespace gamlp
