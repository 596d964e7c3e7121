// What a kernel's source sees instead of CUDA: threadIdx, __syncthreads, warp shuffles and the rest, by the executor.
#pragma once

#include "tests/simt/executor.hpp"

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define threadIdx (simt::place().thread)
#define blockIdx (simt::place().block)
#define blockDim (simt::place().block_size)
#define gridDim (simt::place().grid_size)

// NOLINTBEGIN: the names are CUDA's
inline void __syncthreads(const char* file = __builtin_FILE(), unsigned line = __builtin_LINE()) {
  simt::block_barrier({file, line});
}
inline void __syncwarp(unsigned mask = ~0u, const char* file = __builtin_FILE(), unsigned line = __builtin_LINE()) {
  simt::warp_exchange(mask, 0, simt::place().linear % 32, {file, line});
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int lanes, int width = 32, const char* file = __builtin_FILE(),
                  unsigned line = __builtin_LINE()) {
  const unsigned own = simt::place().linear % 32, w = static_cast<unsigned>(width);
  const unsigned source = own ^ static_cast<unsigned>(lanes);
  return simt::warp_value(mask, value, source / w == own / w ? source : own, {file, line});
}
inline int __all_sync(unsigned mask, bool value, const char* file = __builtin_FILE(),
                      unsigned line = __builtin_LINE()) {
  return simt::warp_all(mask, value, {file, line}) ? 1 : 0;
}
inline void __threadfence() {}
// Blocks run one after the other, and threads only change at points of synchronisation.
template <class T>
T atomicAdd(T* address, T value) {
  const T old = *address;
  *address = old + value;
  return old;
}
// NOLINTEND

#define GAMLP_SHARED(type, name, count)      \
  auto& name = *static_cast<type(*)[count]>( \
      simt::shared(sizeof(type[count]), simt::Location{__builtin_FILE(), __builtin_LINE()}))
