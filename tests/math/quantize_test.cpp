// Grids, codes and message sizes (host/math/quantize.hpp).

#include "host/math/quantize.hpp"

#include <cmath>
#include <limits>

#include "host/config/exchange.hpp"
#include "tests/support/catch.hpp"

using namespace gamlp;

namespace {

WireFormat format_of(int bits, Coding coding, Range range, std::int64_t block = 64) {
  WireFormat format;
  format.bits = bits;
  format.coding = coding;
  format.range = range;
  format.block = block;
  return format;
}

}  // namespace

TEST_CASE("a value inside the range is off by at most half a step, rounded to nearest") {
  Random random(1);
  for (const int bits : {1, 2, 4, 8, 16}) {
    const UniformGrid grid = grid_from_range(-1.5f, 2.5f, std::int64_t{1} << bits);
    // Codes up to 65535 are computed in float32: (x − low)/step and its sum with 1/2 are off by 3 units of 2^-24 each.
    const double slack = 3.0 * static_cast<double>(grid.top_code) * 0x1p-24 + 0x1p-22 / static_cast<double>(grid.step);
    bool integer = true, inside = true;
    double worst = 0.0;
    for (int i = 0; i < 20000; ++i) {
      const float x = -1.5f + 4.0f * static_cast<float>(random.uniform());
      const float code = quantize_code(x, grid, 0.5f);
      integer = integer && code == std::floor(code);
      inside = inside && code >= 0.0f && code <= grid.top_code;
      worst = std::max(worst, std::abs(static_cast<double>(dequantize(code, grid)) - static_cast<double>(x)));
    }
    INFO("bits " << bits);
    CHECK(integer);
    CHECK(inside);
    CHECK(worst <= static_cast<double>(grid.step) * (0.5 + slack));
  }
}

TEST_CASE("every grid point is its own code, for every dither that stochastic rounding can draw") {
  for (const int bits : {1, 2, 4, 8}) {
    const UniformGrid grid = grid_from_range(0.0f, static_cast<float>((1 << bits) - 1), std::int64_t{1} << bits);
    for (float code = 0.0f; code <= grid.top_code; code += 1.0f) {
      for (const float dither : {0.0f, 0.25f, 0.5f, 0.75f, 0.999f}) {
        CHECK(quantize_code(dequantize(code, grid), grid, dither) == code);
      }
    }
  }
}

TEST_CASE("stochastic rounding errs by less than a step and is unbiased") {
  constexpr int kDraws = 40000;
  for (const int bits : {1, 2, 4, 8, 16}) {
    const UniformGrid grid = grid_from_range(-1.0f, 1.0f, std::int64_t{1} << bits);
    const double step = static_cast<double>(grid.step), top = static_cast<double>(grid.top_code);
    for (const float x : {-0.83f, -0.31f, 0.0f, 0.2f, 0.77f}) {
      double sum = 0.0, worst = 0.0;
      for (int i = 0; i < kDraws; ++i) {
        const float code = quantize_code(x, grid, random_unit(99u, static_cast<std::uint32_t>(i)));
        const double error = static_cast<double>(dequantize(code, grid)) - static_cast<double>(x);
        sum += error;
        worst = std::max(worst, std::abs(error));
      }
      INFO("bits " << bits << " x " << x);
      const double rounding = step * top * 0x1p-22 + 0x1p-22;  // float32 arithmetic on codes and values
      CHECK(worst <= step + rounding);
      // A standard deviation of at most step/2 per draw: five standard errors.
      CHECK(std::abs(sum / kDraws) <= 5.0 * 0.5 * step / std::sqrt(static_cast<double>(kDraws)) + rounding);
    }
  }
}

TEST_CASE("values outside the range, infinities and NaN get the nearest end or 0") {
  const UniformGrid grid = grid_from_range(-1.0f, 1.0f, 16);
  const float infinity = std::numeric_limits<float>::infinity();
  for (const float dither : {0.0f, 0.5f, 0.9999f}) {
    CHECK(quantize_code(5.0f, grid, dither) == 15.0f);
    CHECK(quantize_code(infinity, grid, dither) == 15.0f);
    CHECK(quantize_code(-5.0f, grid, dither) == 0.0f);
    CHECK(quantize_code(-infinity, grid, dither) == 0.0f);
    CHECK(quantize_code(std::nanf(""), grid, dither) == 0.0f);
  }
}

TEST_CASE("a range without extent has one level, exactly its value") {
  for (const float x : {0.0f, 3.25f, -7e20f, 1e-38f}) {
    const UniformGrid grid = grid_from_range(x, x, 256);
    CHECK(grid.step == 0.0f);
    for (const float dither : {0.0f, 0.5f, 0.999f}) CHECK(dequantize(quantize_code(x, grid, dither), grid) == x);
  }
  const UniformGrid zero = grid_from_magnitude(0.0f, 4);
  CHECK(dequantize(quantize_code(0.0f, zero, 0.5f), zero) == 0.0f);
}

TEST_CASE("the grid of a magnitude is symmetric") {
  for (const std::int64_t levels : {2, 4, 16, 256}) {
    const UniformGrid grid = grid_from_magnitude(0.75f, levels);
    for (std::int64_t code = 0; code < levels; ++code) {
      const float low = dequantize(static_cast<float>(code), grid);
      const float high = dequantize(static_cast<float>(levels - 1 - code), grid);
      CHECK(low == Approx(-high).margin(1e-6));
    }
  }
}

TEST_CASE("the paper's grid holds the integers -1 to 20") {
  WireFormat format = format_of(8, Coding::value, Range::fixed);
  format.grid_min = -1.0f, format.grid_max = 20.0f, format.grid_levels = 22;
  const UniformGrid grid = grid_from_range(format.grid_min, format.grid_max, format.levels());
  for (int x = -1; x <= 20; ++x) {
    CHECK(dequantize(quantize_code(static_cast<float>(x) + 0.4f, grid, 0.5f), grid) == static_cast<float>(x));
  }
}

TEST_CASE("a message is its scales and its codes, each padded to 16 bytes") {
  struct Expected {
    WireFormat format;
    std::int64_t values, scale_floats, bytes;
  };
  const Expected table[] = {
      {format_of(32, Coding::value, Range::tensor), 1000, 0, 4000},
      {format_of(32, Coding::value, Range::tensor), 1, 0, 16},
      {format_of(8, Coding::value, Range::tensor), 1000, 2, 16 + 1008},
      {format_of(8, Coding::difference, Range::tensor), 1000, 1, 16 + 1008},
      {format_of(8, Coding::value, Range::fixed), 1000, 0, 1008},
      {format_of(16, Coding::value, Range::tensor), 1000, 2, 16 + 2000},
      {format_of(4, Coding::value, Range::tensor), 1001, 2, 16 + 512},
      {format_of(2, Coding::difference, Range::block), 1000, 16, 64 + 256},
      {format_of(2, Coding::value, Range::block), 1000, 32, 128 + 256},
      {format_of(2, Coding::difference, Range::block, 4096), 1000, 1, 16 + 256},
      {format_of(1, Coding::difference, Range::tensor), 1000, 1, 16 + 128},
      {format_of(1, Coding::difference, Range::tensor), 1, 1, 16 + 16},
      {format_of(8, Coding::value, Range::tensor), 0, 0, 0},
  };
  for (const Expected& e : table) {
    INFO("bits " << e.format.bits << " values " << e.values);
    CHECK(e.format.scale_floats(e.values) == e.scale_floats);
    CHECK(e.format.codes_offset(e.values) == (e.scale_floats * 4 + 15) / 16 * 16);
    CHECK(e.format.message_bytes(e.values) == e.bytes);
  }
}

TEST_CASE("a schedule replaces the bits of quantised tensors only") {
  CodecConfig codec;
  codec.bits = 8;
  codec.coding = Coding::difference;
  CHECK(wire_format(codec).bits == 8);
  CHECK(wire_format(codec, 2).bits == 2);
  CHECK(wire_format(codec, 2).coding == Coding::difference);
  CHECK(wire_format(codec, 32).coding == Coding::value);  // float32 needs no difference
  codec.bits = 32;
  CHECK(wire_format(codec, 2).bits == 32);
  CHECK_FALSE(wire_format(codec).quantized());
}
