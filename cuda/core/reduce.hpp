// Sums, minima and maxima over a tensor by one kernel, in an order that depends on the shape alone. Threads fold in
// float32 over 8 values, then in double. Warps and blocks fold by a tree. The last block to finish folds what the
// blocks left, in the order of the blocks.
#pragma once

#include "cuda/core/kernel.hpp"

namespace gamlp::cuda {

enum class Fold { sum, least, most };

// Fold::least and Fold::most keep NaN.
template <Fold F, class T>
__device__ T fold(T a, T b) {
  if constexpr (F == Fold::sum) return a + b;
  if constexpr (F == Fold::least) return b < a || b != b ? b : a;
  if constexpr (F == Fold::most) return b > a || b != b ? b : a;
}
template <Fold F>
__device__ constexpr double nothing() {
  constexpr double kHuge = 3.402823466e38;  // float32's largest: what is folded came from float32
  return F == Fold::sum ? 0.0 : F == Fold::least ? kHuge : -kHuge;
}

// Folds over groups of `lanes` (a power of two) neighbouring lanes. Each lane of a group gets the same value.
template <Fold F, class T>
__device__ T lanes_fold(T x, unsigned lanes, unsigned mask) {
  for (unsigned step = lanes / 2; step > 0; step /= 2) {
    const T other = __shfl_xor_sync(mask, x, static_cast<int>(step));
    // In the order of lanes, so that both sides of NaN and of −0 agree.
    x = (threadIdx.x & step) != 0 ? fold<F>(other, x) : fold<F>(x, other);
  }
  return x;
}

// Folds over a block of whole warps. Every thread gets the same value. `warps` is shared memory, a value per warp.
template <Fold F>
__device__ double block_fold(double x, double* warps) {
  const unsigned warp = threadIdx.x / kWarp, lane = threadIdx.x % kWarp, count = blockDim.x / kWarp;
  x = lanes_fold<F>(x, kWarp, kAllLanes);
  __syncthreads();  // `warps` may still be read from the fold before
  if (lane == 0) warps[warp] = x;
  __syncthreads();
  return lanes_fold<F>(lane < count ? warps[lane] : nothing<F>(), kWarp, kAllLanes);
}

// Returns true in every thread of the block that comes last of `blocks` to this place. What the others wrote before is
// then visible to it.
__device__ inline bool last_block(unsigned* arrived, unsigned blocks) {
  GAMLP_SHARED(unsigned, last, 1);
  __syncthreads();
  if (threadIdx.x == 0) {
    __threadfence();
    last[0] = atomicAdd(arrived, 1u) == blocks - 1 ? 1u : 0u;
    if (last[0] != 0) *arrived = 0;
  }
  __syncthreads();
  const bool mine = last[0] != 0;
  if (mine) __threadfence();
  return mine;
}

// Folds x over a grid in x. Returns true in thread 0 of the last block, where x then holds the totals.
template <Fold... F>
__device__ bool grid_fold(double (&x)[sizeof...(F)], const Partials& partials) {
  constexpr unsigned kCount = sizeof...(F);
  static_assert(kCount <= kMaxSums);
  GAMLP_SHARED(double, warps, kWarp);
  unsigned k = 0;
  ((x[k] = block_fold<F>(x[k], warps), ++k), ...);
  if (gridDim.x == 1) return threadIdx.x == 0;
  if (threadIdx.x == 0) {
    for (unsigned i = 0; i < kCount; ++i) partials.sums[blockIdx.x * kCount + i] = x[i];
  }
  if (!last_block(partials.arrived, gridDim.x)) return false;
  k = 0;
  const auto total = [&](auto with, double y) {
    constexpr Fold kFold = decltype(with)::value;
    for (unsigned block = threadIdx.x; block < gridDim.x; block += blockDim.x) {
      y = fold<kFold>(y, partials.sums[block * kCount + k]);
    }
    x[k++] = block_fold<kFold>(y, warps);
  };
  (total(std::integral_constant<Fold, F>{}, nothing<F>()), ...);
  return threadIdx.x == 0;
}

template <int Count>
__device__ bool grid_sum(double (&x)[Count], const Partials& partials) {
  constexpr Fold s = Fold::sum;
  if constexpr (Count == 1) return grid_fold<s>(x, partials);
  if constexpr (Count == 2) return grid_fold<s, s>(x, partials);
  if constexpr (Count == 4) return grid_fold<s, s, s, s>(x, partials);
  if constexpr (Count == 5) return grid_fold<s, s, s, s, s>(x, partials);
}

}  // namespace gamlp::cuda
