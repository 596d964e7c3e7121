// The quantising store of every kernel that produces p or q, and the load of what the neighbour sent (quantize.hpp).
//
// A thread has 8 neighbouring values. These are two 16-byte loads of each input, and as many bytes of codes as a code
// has bits. A Rule says what is stored. Its members run on the device. Values that are not below n are 0 in what
// they get:
//     State                            what it keeps of its inputs between the two calls
//     kOld                             whether finish() wants the old values of out
//     kSums                            how many sums finish() makes
//     start()                          once per thread
//     target(first, n, state, x)       the 8 targets from `first` on
//     finish(first, n, state, old, fresh, sums)
//     total(sums)                      one thread, when all sums are complete (kSums > 0)
// A range over the whole tensor takes a pass of its own, which only calls start() and target().
//
// A group with NaN has NaN scales, so its values become NaN. The driver's check then names the layer.
#pragma once

#include "cuda/core/map.hpp"
#include "host/math/quantize.hpp"

namespace gamlp::cuda {

// Quantize (host/device/ops/base.hpp) in the form that kernels take. Without a message, message and packed are null.
struct Codec {
  float* feedback = nullptr;  // or null
  float* scales = nullptr;
  float* message = nullptr;         // its scales; its values where nothing is quantised
  unsigned char* packed = nullptr;  // its codes
  const std::uint32_t* iteration = nullptr;
  std::uint32_t key = 0, place = 0;  // of stochastic rounding
  int bits = 32;
  bool difference = false, stochastic = false;
  Range range = Range::tensor;
  Index block = 0, levels = 0;
  float grid_min = 0, grid_max = 0;

  __device__ bool quantized() const { return bits < 32; }
  __device__ int scales_per_group() const { return difference ? 1 : 2; }
  __device__ UniformGrid fixed_grid() const { return grid_from_range(grid_min, grid_max, levels); }
  __device__ UniformGrid grid_of(const float* of) const {
    return difference ? grid_from_magnitude(of[0], levels) : grid_from_range(of[0], of[1], levels);
  }
  __device__ std::uint32_t rounding_key() const { return stochastic ? key_at(key, *iteration) : key; }
};

inline Codec make_codec(const WireFormat& format, Index n) {
  Codec codec;
  codec.bits = format.bits;
  codec.difference = format.coding == Coding::difference;
  codec.range = format.range;
  codec.block = format.group(n);
  codec.levels = format.levels();
  codec.grid_min = format.grid_min;
  codec.grid_max = format.grid_max;
  return codec;
}

inline Codec make_codec(const Quantize& q, Index n) {
  Codec codec = make_codec(q.format, n);
  codec.feedback = q.feedback.data;
  codec.scales = q.scales.data;
  codec.iteration = q.iteration.data;
  codec.key = q.key;
  codec.place = static_cast<std::uint32_t>(q.first);
  codec.stochastic = q.rounding == Rounding::stochastic;
  if (q.message.data != nullptr) {
    codec.message = reinterpret_cast<float*>(q.message.data);
    codec.packed = reinterpret_cast<unsigned char*>(q.message.data) + q.format.codes_offset(n);
  }
  return codec;
}

// ---- codes ------------------------------------------------------------------------------------------

// Packs 8 codes of `Bits` bits at the start of their bytes, little end first. Bytes without a code below n stay as they
// are.
template <int Bits>
__device__ void pack8(unsigned char* packed, Index first, Index n, const Eight& codes) {
  std::uint64_t words[2] = {0, 0};
#pragma unroll
  for (int k = 0; k < 8; ++k) {
    const auto code = static_cast<std::uint64_t>(static_cast<std::uint32_t>(static_cast<std::int32_t>(codes.v[k])));
    words[k * Bits / 64] |= code << (k * Bits % 64);
  }
  unsigned char* at = packed + first / 8 * Bits;
  if (first + 8 > n) {
    const int bytes = static_cast<int>(((n - first) * Bits + 7) / 8);
#pragma unroll
    for (int i = 0; i < Bits; ++i) {
      if (i < bytes) at[i] = static_cast<unsigned char>(words[i / 8] >> (i % 8 * 8));
    }
  } else if constexpr (Bits == 1) {
    *at = static_cast<unsigned char>(words[0]);
  } else if constexpr (Bits == 2) {
    *reinterpret_cast<std::uint16_t*>(at) = static_cast<std::uint16_t>(words[0]);
  } else if constexpr (Bits == 4) {
    *reinterpret_cast<std::uint32_t*>(at) = static_cast<std::uint32_t>(words[0]);
  } else if constexpr (Bits == 8) {
    *reinterpret_cast<std::uint64_t*>(at) = words[0];
  } else {
    store_words(at, words);
  }
}

template <int Bits>
__device__ Eight unpack8(const unsigned char* packed, Index first, Index n) {
  std::uint64_t words[2] = {0, 0};
  const unsigned char* at = packed + first / 8 * Bits;
  if (first + 8 > n) {
    const int bytes = static_cast<int>(((n - first) * Bits + 7) / 8);
#pragma unroll
    for (int i = 0; i < Bits; ++i) {
      if (i < bytes) words[i / 8] |= static_cast<std::uint64_t>(at[i]) << (i % 8 * 8);
    }
  } else if constexpr (Bits == 1) {
    words[0] = *at;
  } else if constexpr (Bits == 2) {
    words[0] = *reinterpret_cast<const std::uint16_t*>(at);
  } else if constexpr (Bits == 4) {
    words[0] = *reinterpret_cast<const std::uint32_t*>(at);
  } else if constexpr (Bits == 8) {
    words[0] = *reinterpret_cast<const std::uint64_t*>(at);
  } else {
    load_words(at, words);
  }
  constexpr std::uint64_t kMask = (std::uint64_t{1} << Bits) - 1;
  Eight codes;
#pragma unroll
  for (int k = 0; k < 8; ++k) {
    codes.v[k] = static_cast<float>(static_cast<std::uint32_t>(words[k * Bits / 64] >> (k * Bits % 64) & kMask));
  }
  return codes;
}

__device__ inline void pack_codes(unsigned char* packed, Index first, Index n, int bits, const Eight& codes) {
  switch (bits) {
    case 1:
      return pack8<1>(packed, first, n, codes);
    case 2:
      return pack8<2>(packed, first, n, codes);
    case 4:
      return pack8<4>(packed, first, n, codes);
    case 8:
      return pack8<8>(packed, first, n, codes);
    default:
      return pack8<16>(packed, first, n, codes);
  }
}
__device__ inline Eight unpack_codes(const unsigned char* packed, Index first, Index n, int bits) {
  switch (bits) {
    case 1:
      return unpack8<1>(packed, first, n);
    case 2:
      return unpack8<2>(packed, first, n);
    case 4:
      return unpack8<4>(packed, first, n);
    case 8:
      return unpack8<8>(packed, first, n);
    default:
      return unpack8<16>(packed, first, n);
  }
}

// ---- ranges -----------------------------------------------------------------------------------------

// The figures of a group that its scales come from.
struct GroupRange {
  float low = 3.402823466e38f, high = -3.402823466e38f, magnitudes = 0.0f;

  __device__ void add(const Eight& x, Index first, Index n) {
#pragma unroll
    for (int k = 0; k < 8; ++k) {
      if (first + k >= n) continue;
      low = fold<Fold::least>(low, x.v[k]);
      high = fold<Fold::most>(high, x.v[k]);
      magnitudes += x.v[k] < 0.0f ? -x.v[k] : x.v[k];
    }
  }
};

// Computes the scales of one group of `count` values into `out`.
__device__ inline void scales_of(const Codec& codec, float low, float high, double magnitudes, Index count,
                                 float (&out)[2]) {
  out[0] = low;
  out[1] = high;
  if (!codec.difference) return;
  out[0] = codec.bits == 1 ? static_cast<float>(magnitudes / static_cast<double>(count)) : fold<Fold::most>(-low, high);
}
__device__ inline void put_scales(const Codec& codec, Index group, const float (&scales)[2]) {
  const int per_group = codec.scales_per_group();
  for (int k = 0; k < per_group; ++k) {
    codec.scales[group * per_group + k] = scales[k];
    if (codec.message != nullptr) codec.message[group * per_group + k] = scales[k];
  }
}

// Returns the grid of the group of codec.block values to which this thread's 8 belong. The group's first thread writes
// the scales. All threads of the block call it, also those that have no values.
__device__ inline UniformGrid block_grid(const Codec& codec, const Eight& x, Index first, Index n) {
  GroupRange range;
  range.add(x, first, n);
  const unsigned group_threads = static_cast<unsigned>(codec.block / 8);
  const unsigned lanes = group_threads < kWarp ? group_threads : kWarp;
  float low = lanes_fold<Fold::least>(range.low, lanes, kAllLanes);
  float high = lanes_fold<Fold::most>(range.high, lanes, kAllLanes);
  float magnitudes = lanes_fold<Fold::sum>(range.magnitudes, lanes, kAllLanes);
  if (group_threads > kWarp) {
    GAMLP_SHARED(float, warps, 3 * kWarp);
    const unsigned warp = threadIdx.x / kWarp, count = group_threads / kWarp;
    __syncthreads();  // `warps` may still be read from the turn before
    if (threadIdx.x % kWarp == 0) {
      warps[warp] = low;
      warps[kWarp + warp] = high;
      warps[2 * kWarp + warp] = magnitudes;
    }
    __syncthreads();
    const unsigned begin = warp / count * count;
    low = warps[begin];
    high = warps[kWarp + begin];
    magnitudes = warps[2 * kWarp + begin];
    for (unsigned i = begin + 1; i < begin + count; ++i) {
      low = fold<Fold::least>(low, warps[i]);
      high = fold<Fold::most>(high, warps[kWarp + i]);
      magnitudes += warps[2 * kWarp + i];
    }
  }
  float scales[2];
  const Index group = first / codec.block, begin = group * codec.block;
  scales_of(codec, low, high, static_cast<double>(magnitudes), n - begin < codec.block ? n - begin : codec.block,
            scales);
  if (first == begin && first < n) put_scales(codec, group, scales);
  return codec.grid_of(scales);
}

// ---- kernels ----------------------------------------------------------------------------------------

// What is coded is the target, plus the error fed back (values only), minus what the receiver holds (differences only).
__device__ inline void add_feedback(const Codec& codec, Index first, Index n, Eight& x) {
  if (codec.feedback == nullptr) return;
  const Eight e = load8(codec.feedback, first, n);
#pragma unroll
  for (int k = 0; k < 8; ++k) x.v[k] += e.v[k];
}
__device__ inline Eight minus(const Eight& a, const Eight& b) {
  Eight x;
#pragma unroll
  for (int k = 0; k < 8; ++k) x.v[k] = a.v[k] - b.v[k];
  return x;
}

// Computes the scales of one range over the tensor. A whole block of threads walks together.
template <class Rule>
__global__ void __launch_bounds__(kThreads)
    range_kernel(Rule rule, Codec codec, const float* out, Index n, Partials partials) {
  rule.start();
  double range[3] = {3.402823466e38, -3.402823466e38, 0.0};
  each8(n, [&](Index first) {
    typename Rule::State state{};
    Eight x{};
    rule.target(first, n, state, x);
    add_feedback(codec, first, n, x);
    if (codec.difference) x = minus(x, load8(out, first, n));
    GroupRange part;
    part.add(x, first, n);
    range[0] = fold<Fold::least>(range[0], static_cast<double>(part.low));
    range[1] = fold<Fold::most>(range[1], static_cast<double>(part.high));
    range[2] += static_cast<double>(part.magnitudes);
  });
  if (!grid_fold<Fold::least, Fold::most, Fold::sum>(range, partials)) return;
  float scales[2];
  scales_of(codec, static_cast<float>(range[0]), static_cast<float>(range[1]), range[2], n, scales);
  put_scales(codec, 0, scales);
}

__device__ inline Eight coded(const Codec& codec, std::uint32_t key, const UniformGrid& grid, Index first, Index n,
                              const Eight& x) {
  Eight codes;
#pragma unroll
  for (int k = 0; k < 8; ++k) {
    const float dither =
        codec.stochastic ? random_unit(key, codec.place + static_cast<std::uint32_t>(first + k)) : 0.5f;
    codes.v[k] = first + k < n ? quantize_code(x.v[k], grid, dither) : 0.0f;
  }
  return codes;
}

// Returns x̂ of the codes. `base` is what the receiver holds.
__device__ inline Eight decoded(const Codec& codec, const UniformGrid& grid, const Eight& codes, const Eight& base) {
  Eight x;
#pragma unroll
  for (int k = 0; k < 8; ++k) {
    const float value = dequantize(codes.v[k], grid);
    x.v[k] = codec.difference ? base.v[k] + value : value;
  }
  return x;
}
__device__ inline void clear_beyond(Eight& x, Index first, Index n) {
#pragma unroll
  for (int k = 0; k < 8; ++k) x.v[k] = first + k < n ? x.v[k] : 0.0f;
}

// One block of threads holds a group of values (4,096 at most).
inline constexpr unsigned kMaxCodecThreads = 512;

template <class Rule>
__global__ void __launch_bounds__(kMaxCodecThreads)
    store_kernel(Rule rule, Codec codec, float* out, Index n, Partials partials) {
  rule.start();
  constexpr int kSums = Rule::kSums;
  double sums[kSums > 0 ? kSums : 1] = {};
  const bool per_block = codec.range == Range::block;
  const std::uint32_t key = codec.rounding_key();
  UniformGrid grid{};
  if (codec.quantized() && !per_block) {
    grid = codec.range == Range::fixed ? codec.fixed_grid() : codec.grid_of(codec.scales);
  }
  // Whole blocks of threads: the range of a group takes all of them.
  const Index tile = Index{8} * blockDim.x;
  for (Index start = blockIdx.x * tile; start < n; start += gridDim.x * tile) {
    const Index first = start + Index{8} * threadIdx.x;
    typename Rule::State state{};
    Eight x{}, old{};
    if (first < n) {
      rule.target(first, n, state, x);
      if (Rule::kOld || codec.difference) old = load8(out, first, n);
    }
    Eight fresh = x;
    if (codec.quantized()) {
      if (first < n) add_feedback(codec, first, n, x);
      if (codec.difference) x = minus(x, old);
      if (per_block) grid = block_grid(codec, x, first, n);
      if (first < n) {
        const Eight codes = coded(codec, key, grid, first, n, x);
        if (codec.packed != nullptr) pack_codes(codec.packed, first, n, codec.bits, codes);
        fresh = decoded(codec, grid, codes, old);
        if (codec.feedback != nullptr) store8(codec.feedback, first, n, minus(x, fresh));
      }
    } else if (codec.message != nullptr && first < n) {
      store8(codec.message, first, n, x);
    }
    if (first < n) {
      clear_beyond(fresh, first, n);
      store8(out, first, n, fresh);
      float part[kSums > 0 ? kSums : 1] = {};
      rule.finish(first, n, state, old, fresh, part);
      for (int k = 0; k < kSums; ++k) sums[k] += static_cast<double>(part[k]);
    }
  }
  if constexpr (kSums > 0) {
    if (grid_sum(sums, partials)) rule.total(sums);
  }
}

// Stores what `rule` says into `out`. range_rule makes the same targets in the pass of a range over the tensor.
template <class RangeRule, class Rule>
void quantize_store(Queue& queue, const char* name, const RangeRule& range_rule, const Rule& rule, const Quantize& q,
                    Mat out) {
  const Index n = out.size();
  const Codec codec = make_codec(q, n);
  if (n == 0 && Rule::kSums == 0) return;
  if (q.format.quantized() && codec.range == Range::tensor && n > 0) {
    launch(queue, name, range_kernel<RangeRule>, flat_grid(n), range_rule, codec, out.data, n, queue.partials);
  }
  const bool wide = codec.range == Range::block && codec.block > Index{8} * kWarp;
  const unsigned least = wide ? static_cast<unsigned>(codec.block / 8) : kWarp;
  launch(queue, name, store_kernel<Rule>, flat_grid(n, least), rule, codec, out.data, n, queue.partials);
}

template <class Rule>
void quantize_store(Queue& queue, const char* name, const Rule& rule, const Quantize& q, Mat out) {
  quantize_store(queue, name, rule, rule, q, out);
}

// The receiver's side: out ← x̂ of a message of n values. A Rule has finish(first, n, fresh).
template <class Rule>
__global__ void __launch_bounds__(kThreads) receive_kernel(Rule rule, Codec codec, float* out, Index n) {
  UniformGrid grid{};
  if (codec.quantized() && codec.range != Range::block) {
    grid = codec.range == Range::fixed ? codec.fixed_grid() : codec.grid_of(codec.message);
  }
  each8(n, [&](Index first) {
    Eight fresh;
    if (codec.quantized()) {
      if (codec.range == Range::block) {
        grid = codec.grid_of(codec.message + first / codec.block * codec.scales_per_group());
      }
      Eight base{};
      if (codec.difference) base = load8(out, first, n);
      fresh = decoded(codec, grid, unpack_codes(codec.packed, first, n, codec.bits), base);
    } else {
      fresh = load8(codec.message, first, n);
    }
    store8(out, first, n, fresh);
    rule.finish(first, n, fresh);
  });
}

template <class Rule>
void receive(Queue& queue, const char* name, const Rule& rule, const WireFormat& format, ConstBytes message, Mat out) {
  const Index n = out.size();
  if (n == 0) return;
  Codec codec = make_codec(format, n);
  codec.message = const_cast<float*>(reinterpret_cast<const float*>(message.data));  // the kernel only reads it
  codec.packed = reinterpret_cast<unsigned char*>(const_cast<std::byte*>(message.data)) + format.codes_offset(n);
  launch(queue, name, receive_kernel<Rule>, flat_grid(n), rule, codec, out.data, n);
}

}  // namespace gamlp::cuda
