// Quantised exchange: the grids, the codes, and the layout of a message (docs/algorithm.md §6).
//
// A message holds scales (float32), then packed codes. The value that both sides keep is
//     x̂ = base + (low + code · step)
// where base is 0 for values, and the last x̂ for differences. Sender and receiver evaluate the functions below on the
// same code and scales, so they hold the same bits (floating-point contraction is off).
//
// The scales are those of a tensor or of a block. For values they are (min, max). For differences they are one
// magnitude m, and the grid is −m … m (m = max|d|, for 1 bit the mean of |d|). A fixed grid needs no scales. A message
// of 32 bits is plain float32.
#pragma once

#include <cstdint>

#include "host/math/annotations.hpp"
#include "host/math/random.hpp"

namespace gamlp {

// What codes stand for: the values, or their differences from what the receiver holds.
enum class Coding { value, difference };
// The range of a grid: given by the config, or found in the data of a tensor or block, and then sent as scales.
enum class Range { fixed, tensor, block };
enum class Rounding { nearest, stochastic };

struct WireFormat {
  int bits = 32;  // 1, 2, 4, 8, 16 or 32
  Coding coding = Coding::value;
  Range range = Range::tensor;
  std::int64_t block = 64;  // values per block when range = block
  float grid_min = 0.0f, grid_max = 0.0f;
  std::int32_t grid_levels = 2;

  bool operator==(const WireFormat&) const = default;
  bool quantized() const { return bits < 32; }
  std::int64_t levels() const { return range == Range::fixed ? grid_levels : std::int64_t{1} << bits; }
  // How many values share one set of scales.
  std::int64_t group(std::int64_t values) const { return range == Range::block ? block : values; }
  std::int64_t scale_floats(std::int64_t values) const {
    if (!quantized() || range == Range::fixed || values == 0) return 0;
    const std::int64_t groups = (values + group(values) - 1) / group(values);
    return groups * (coding == Coding::value ? 2 : 1);
  }
  // In bytes. The scales come first, then the codes. Each part is padded to 16 bytes.
  std::int64_t codes_offset(std::int64_t values) const { return (scale_floats(values) * 4 + 15) / 16 * 16; }
  std::int64_t message_bytes(std::int64_t values) const {
    const std::int64_t code_bytes = (values * bits + 7) / 8;
    return codes_offset(values) + (code_bytes + 15) / 16 * 16;
  }
};

// A uniform grid: low + code·step, for code = 0 … levels−1.
struct UniformGrid {
  float low, step, inverse_step, top_code;
};

GAMLP_HD inline UniformGrid grid_from_range(float low, float high, std::int64_t levels) {
  const float intervals = static_cast<float>(levels - 1);
  const float step = (high - low) / intervals;
  // A range that is empty, or too small for its inverse, has one level.
  const bool usable = step > 1e-37f;
  return {low, usable ? step : 0.0f, usable ? 1.0f / step : 0.0f, intervals};
}
GAMLP_HD inline UniformGrid grid_from_magnitude(float magnitude, std::int64_t levels) {
  return grid_from_range(-magnitude, magnitude, levels);
}

// Returns the code of x as an integer-valued float. With dither = 0.5 it rounds to nearest. With a dither that is
// uniform in [0, 1) it rounds stochastically. NaN and −inf give 0.
GAMLP_HD inline float quantize_code(float x, const UniformGrid& grid, float dither) {
  float t = (x - grid.low) * grid.inverse_step;
  t = t > 0.0f ? t : 0.0f;
  t = t < grid.top_code ? t : grid.top_code;
  const float code = static_cast<float>(static_cast<std::int32_t>(t + dither));
  return code < grid.top_code ? code : grid.top_code;
}

GAMLP_HD inline float dequantize(float code, const UniformGrid& grid) { return grid.low + code * grid.step; }

}  // namespace gamlp
