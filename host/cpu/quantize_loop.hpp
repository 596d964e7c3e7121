// The quantising store, which every op that produces p or q uses. It takes the targets, and writes x̂ and the message.
// Its counterpart on the receiver reads the message.
#pragma once

#include <algorithm>
#include <cstring>

#include "host/cpu/loops.hpp"
#include "host/math/quantize.hpp"

namespace gamlp::cpu {

inline constexpr std::int64_t kMaxBlock = 4096;

// Packs `count` codes, given as integer-valued floats, with the little end first. They begin at the value of index
// `first`, which is a multiple of 16, so that codes start at a byte. unpack_codes() does the reverse.
void pack_codes(const float* codes, std::int64_t first, std::int64_t count, int bits, std::byte* out);
void unpack_codes(const std::byte* packed, std::int64_t first, std::int64_t count, int bits, float* codes);

// Returns the grid of one group of values, from its scales in the message: one float for differences, two for values.
inline UniformGrid grid_of(const WireFormat& format, const float* scales) {
  if (format.range == Range::fixed) return grid_from_range(format.grid_min, format.grid_max, format.levels());
  if (format.coding == Coding::difference) return grid_from_magnitude(scales[0], format.levels());
  return grid_from_range(scales[0], scales[1], format.levels());
}

// The range of one group of values, as far as they were added. A NaN in the first value makes the group NaN, which the
// driver's checks then see.
struct GroupRange {
  float low = 0.0f, high = 0.0f;
  double sum = 0.0;  // of magnitudes, for 1-bit differences
  std::int64_t count = 0;

  void add(const float* x, std::int64_t n) {
    float lo = count == 0 ? x[0] : low, hi = count == 0 ? x[0] : high, s = 0.0f;
#pragma omp simd reduction(min : lo) reduction(max : hi) reduction(+ : s)
    for (std::int64_t i = 0; i < n; ++i) {
      lo = x[i] < lo ? x[i] : lo;
      hi = x[i] > hi ? x[i] : hi;
      s += x[i] < 0.0f ? -x[i] : x[i];
    }
    low = lo, high = hi, sum += static_cast<double>(s), count += n;
  }
  // Writes the scales of the group, and returns how many there are.
  int scales(const WireFormat& format, float* out) const {
    if (format.range == Range::fixed) return 0;
    if (format.coding == Coding::value) {
      out[0] = low, out[1] = high;
      return 2;
    }
    out[0] = format.bits == 1 ? static_cast<float>(sum / static_cast<double>(std::max<std::int64_t>(count, 1)))
                              : std::max(-low, high);
    return 1;
  }
};

// Works tile by tile. For each tile [first, first+count), target(first, count, x) fills x with the targets, and out
// becomes x̂. Then finish(first, count, old) sees the tile's old values of out. target must not depend on out beyond
// its own tile. Where one range covers the whole tensor, range_target comes first, for all tiles, with the same
// targets as target.
template <class RangeTarget, class Target, class Finish>
void quantize_store(const Quantize& q, float* out, std::int64_t n, RangeTarget range_target, Target target,
                    Finish finish) {
  const WireFormat& format = q.format;
  alignas(64) float x[kMaxBlock], old[kMaxBlock], codes[kMaxBlock];
  const std::int64_t tile = format.range == Range::block ? std::max(kTile, format.block) : kTile;
  std::byte* message = q.message.data;

  if (!format.quantized()) {
    for (std::int64_t first = 0; first < n; first += tile) {
      const std::int64_t count = std::min(tile, n - first);
      target(first, count, x);
      std::memcpy(old, out + first, static_cast<std::size_t>(count) * 4);
      std::memcpy(out + first, x, static_cast<std::size_t>(count) * 4);
      if (message) std::memcpy(message + first * 4, x, static_cast<std::size_t>(count) * 4);
      finish(first, count, old);
    }
    return;
  }

  const bool difference = format.coding == Coding::difference;
  const bool stochastic = q.rounding == Rounding::stochastic;
  float* feedback = q.feedback.data;
  std::byte* packed = message ? message + format.codes_offset(n) : nullptr;
  const std::uint32_t key = stochastic ? key_at(q.key, *q.iteration.data) : q.key;
  // What is coded: the target, plus the error fed back, minus what the receiver holds.
  const auto load = [&](const auto& targets, std::int64_t first, std::int64_t count) {
    targets(first, count, x);
    const float* e = feedback ? feedback + first : nullptr;
    if (e) {
#pragma omp simd
      for (std::int64_t i = 0; i < count; ++i) x[i] += e[i];
    }
    if (difference) {
      const float* base = out + first;
#pragma omp simd
      for (std::int64_t i = 0; i < count; ++i) x[i] -= base[i];
    }
  };

  float* scales = q.scales.data;
  UniformGrid grid{};
  if (format.range != Range::block) {
    GroupRange range;
    if (format.range == Range::tensor) {
      for (std::int64_t first = 0; first < n; first += tile) {
        const std::int64_t count = std::min(tile, n - first);
        load(range_target, first, count);
        range.add(x, count);
      }
    }
    range.scales(format, scales);
    grid = grid_of(format, scales);
  }
  for (std::int64_t first = 0; first < n; first += tile) {
    const std::int64_t count = std::min(tile, n - first);
    load(target, first, count);
    std::memcpy(old, out + first, static_cast<std::size_t>(count) * 4);
    const std::int64_t group = format.range == Range::block ? format.block : count;
    for (std::int64_t g = 0; g < count; g += group) {
      const std::int64_t size = std::min(group, count - g);
      if (format.range == Range::block) {
        GroupRange range;
        range.add(x + g, size);
        float* mine = scales + (first + g) / format.block * (difference ? 1 : 2);
        range.scales(format, mine);
        grid = grid_of(format, mine);
      }
      const UniformGrid local = grid;
      float* c = codes + g;
      const float* xs = x + g;
      if (stochastic) {
        const std::uint32_t counter = static_cast<std::uint32_t>(q.first + first + g);
#pragma omp simd
        for (std::int64_t i = 0; i < size; ++i) {
          c[i] = quantize_code(xs[i], local, random_unit(key, counter + static_cast<std::uint32_t>(i)));
        }
      } else {
#pragma omp simd
        for (std::int64_t i = 0; i < size; ++i) c[i] = quantize_code(xs[i], local, 0.5f);
      }
      float* o = out + first + g;
      const float* base = old + g;
      if (difference) {
#pragma omp simd
        for (std::int64_t i = 0; i < size; ++i) o[i] = base[i] + dequantize(c[i], local);
      } else {
#pragma omp simd
        for (std::int64_t i = 0; i < size; ++i) o[i] = dequantize(c[i], local);
      }
    }
    if (feedback) {
      float* e = feedback + first;
      const float* o = out + first;
#pragma omp simd
      for (std::int64_t i = 0; i < count; ++i) e[i] = x[i] - o[i];
    }
    if (packed) pack_codes(codes, first, count, format.bits, packed);
    finish(first, count, old);
  }
  const std::int64_t count = format.scale_floats(n);
  if (message && count > 0) std::memcpy(message, scales, static_cast<std::size_t>(count) * 4);
}

template <class Target, class Finish>
void quantize_store(const Quantize& q, float* out, std::int64_t n, Target target, Finish finish) {
  quantize_store(q, out, n, target, target, finish);
}

// The receiver's side: out ← x̂, from a message of n values. It calls finish(first, count) after each tile.
template <class Finish>
void dequantize_store(const WireFormat& format, const std::byte* message, float* out, std::int64_t n, Finish finish) {
  alignas(64) float codes[kMaxBlock];
  const std::int64_t tile = format.range == Range::block ? std::max(kTile, format.block) : kTile;
  const bool difference = format.coding == Coding::difference;
  const float* scales = reinterpret_cast<const float*>(message);
  const std::byte* packed = message + format.codes_offset(n);
  UniformGrid grid{};
  if (format.quantized() && format.range != Range::block) grid = grid_of(format, scales);
  for (std::int64_t first = 0; first < n; first += tile) {
    const std::int64_t count = std::min(tile, n - first);
    if (!format.quantized()) {
      std::memcpy(out + first, message + first * 4, static_cast<std::size_t>(count) * 4);
      finish(first, count);
      continue;
    }
    unpack_codes(packed, first, count, format.bits, codes);
    const std::int64_t group = format.range == Range::block ? format.block : count;
    for (std::int64_t g = 0; g < count; g += group) {
      const std::int64_t size = std::min(group, count - g);
      if (format.range == Range::block) {
        grid = grid_of(format, scales + (first + g) / format.block * (difference ? 1 : 2));
      }
      const UniformGrid local = grid;
      const float* c = codes + g;
      float* o = out + first + g;
      if (difference) {
#pragma omp simd
        for (std::int64_t i = 0; i < size; ++i) o[i] = o[i] + dequantize(c[i], local);
      } else {
#pragma omp simd
        for (std::int64_t i = 0; i < size; ++i) o[i] = dequantize(c[i], local);
      }
    }
    finish(first, count);
  }
}

}  // namespace gamlp::cpu
