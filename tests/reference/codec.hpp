// What the exchange makes of a tensor, in double, straight from the definition: both sides keep
//     x̂ = base + (low + code · step)        base = 0 for values, the last x̂ for differences
// with scales of the whole tensor or of consecutive blocks of it.
//
// Which of two codes a value between them gets is decided by its last bit. So that a program in float32 can be followed
// over many iterations, encode() takes that program's choice, and adds up how far the choices were from being right.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "tests/reference/dense.hpp"

namespace reference {

struct Codec {
  enum Ranges { fixed, tensor, block };
  int bits = 32;
  bool difference = false;
  Ranges range = tensor;
  Index block_size = 64;
  double grid_min = 0.0, grid_max = 0.0;
  Index grid_levels = 2;
  bool stochastic = false;
  bool feedback = false;  // the error of a value is added to the next one

  bool quantized() const { return bits < 32; }
  double levels() const { return range == fixed ? static_cast<double>(grid_levels) : std::ldexp(1.0, bits); }
};

// The tensor's way to the neighbour, and how well the followed program took it.
struct Channel {
  Codec codec;
  Dense error;          // fed back
  double excess = 0;    // how much farther than allowed a followed code was from its value, at worst
  double bias = 0;      // stochastic rounding: Σ (x̂ − x) / step
  double variance = 0;  // of that sum, if every code was drawn with the right probability
};

struct Grid {
  double low, step, top;
  double value(double code) const { return low + code * step; }
};

inline Grid grid_of(const Codec& codec, const double* x, Index count) {
  double low = codec.grid_min, high = codec.grid_max;
  if (codec.range != Codec::fixed && !codec.difference) {
    low = *std::min_element(x, x + count), high = *std::max_element(x, x + count);
  } else if (codec.range != Codec::fixed) {
    double largest = 0.0, total = 0.0;
    for (Index i = 0; i < count; ++i) largest = std::max(largest, std::abs(x[i])), total += std::abs(x[i]);
    high = codec.bits == 1 ? total / static_cast<double>(count) : largest;
    low = -high;
  }
  const double top = codec.levels() - 1.0, step = (high - low) / top;
  return {low, step > 1e-37 ? step : 0.0, top};
}

// `held` becomes what both sides hold of `target`. `seen`: what a program holds after the same step, or null.
inline void encode(Channel& way, const Dense& target, Dense& held, const std::vector<double>* seen) {
  const Codec& codec = way.codec;
  if (!codec.quantized()) {
    held = target;
    return;
  }
  Dense x = target;
  if (codec.feedback && way.error.values.empty()) way.error = Dense(target.rows, target.cols);
  for (std::size_t i = 0; i < x.values.size(); ++i) {
    if (codec.feedback) x.values[i] += way.error.values[i];
    if (codec.difference) x.values[i] -= held.values[i];
  }
  const double noise = 1e-4 * largest(target);  // steps below are made of float32's rounding, as are the codes
  const auto count = static_cast<Index>(x.values.size());
  const Index group = codec.range == Codec::block ? codec.block_size : count;
  for (Index first = 0; first < count; first += group) {
    const Index size = std::min(group, count - first);
    const Grid grid = grid_of(codec, x.values.data() + first, size);
    for (Index k = first; k < first + size; ++k) {
      const auto i = static_cast<std::size_t>(k);
      const double base = codec.difference ? held.values[i] : 0.0;
      const double inside = std::clamp(x.values[i], grid.low, grid.value(grid.top));
      const double t = grid.step > 0.0 ? (inside - grid.low) / grid.step : 0.0;
      double code = std::floor(t + 0.5);
      if (seen != nullptr && grid.step > 0.0) {
        const double chosen = std::clamp(std::round(((*seen)[i] - base - grid.low) / grid.step), 0.0, grid.top);
        const double off = std::abs(chosen - t) * grid.step;
        way.excess = std::max(way.excess, off - (codec.stochastic ? 1.0 : 0.5) * grid.step);
        if (grid.step > noise) {
          way.bias += chosen - t;
          way.variance += (t - std::floor(t)) * (1.0 - t + std::floor(t));
        }
        code = chosen;
      }
      held.values[i] = base + grid.value(code);
      if (codec.feedback) way.error.values[i] = x.values[i] - held.values[i];
    }
  }
}

}  // namespace reference
