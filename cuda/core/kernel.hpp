// What kernel sources see of CUDA. The host compiler compiles the same sources for the executor of tests/simt, which
// brings its own __global__, threadIdx, __syncthreads and so on.
//
// Rules for kernels:
//   - launch() launches them.
//   - They get fixed shared memory by GAMLP_SHARED, and dynamic shared memory by dynamic_shared().
//   - They make 16-byte accesses by load4() and store4(), and have no inline PTX.
//   - What they compute does not depend on the device. Grids follow from shapes alone, and so does the order of sums.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <tuple>

#include "cuda/core/queue.hpp"
#include "host/device/ops/list.hpp"

#if defined(__CUDACC__)
#include "cuda/core/check.hpp"
#define GAMLP_SHARED(type, name, count) __shared__ type name[count]
#endif

namespace gamlp::cuda {

inline constexpr unsigned kWarp = 32;
inline constexpr unsigned kAllLanes = ~0u;
inline constexpr unsigned kThreads = 256;  // of a block, where nothing speaks for another number

// Blocks and threads in one or two dimensions.
struct Grid {
  unsigned x = 1, y = 1;
  unsigned threads = kThreads;
  std::size_t shared = 0;  // bytes of dynamic shared memory
};

inline Index divided_up(Index a, Index b) { return (a + b - 1) / b; }
// At most kMaxBlocks blocks. They walk over the rest in turns.
inline unsigned bounded_blocks(Index wanted) {
  return static_cast<unsigned>(wanted < 1 ? 1 : wanted > kMaxBlocks ? kMaxBlocks : wanted);
}

#if defined(__CUDACC__)
template <class... Parameters, class... Arguments>
void launch(Queue& queue, const char* name, void (*kernel)(Parameters...), const Grid& grid, Arguments... arguments) {
  std::tuple<Parameters...> values(arguments...);
  std::apply(
      [&](Parameters&... value) {
        void* all[] = {&value...};
        check(cudaLaunchKernel(reinterpret_cast<const void*>(kernel), dim3(grid.x, grid.y), dim3(grid.threads), all,
                               grid.shared, queue.stream),
              "launch of kernel", name);
      },
      values);
}
template <class T>
__device__ T* dynamic_shared() {
  extern __shared__ float4 gamlp_dynamic_shared[];
  return reinterpret_cast<T*>(gamlp_dynamic_shared);
}
#else
template <class... Parameters, class... Arguments>
void launch(Queue& queue, const char* name, void (*kernel)(Parameters...), const Grid& grid, Arguments... arguments) {
  simt::launch(queue.stream, name, kernel, {grid.x, grid.y}, {grid.threads}, grid.shared, arguments...);
}
template <class T>
T* dynamic_shared() {
  return static_cast<T*>(simt::dynamic_shared());
}
#endif

// 4 values from `first` on, a multiple of 4. Values that are not below n read as 0, and are not written.
struct Four {
  float v[4];
};
__device__ inline Four load4(const float* from, Index first, Index n) {
  Four x{};
  if (first + 4 <= n) {
#if defined(__CUDACC__)
    const float4 y = *reinterpret_cast<const float4*>(from + first);
    x = {{y.x, y.y, y.z, y.w}};
#else
    std::memcpy(x.v, simt::aligned(from + first, 16), sizeof x.v);
#endif
    return x;
  }
  for (int k = 0; k < 4; ++k) {
    if (first + k < n) x.v[k] = from[first + k];
  }
  return x;
}
__device__ inline void store4(float* to, Index first, Index n, const Four& x) {
  if (first + 4 <= n) {
#if defined(__CUDACC__)
    *reinterpret_cast<float4*>(to + first) = float4{x.v[0], x.v[1], x.v[2], x.v[3]};
#else
    std::memcpy(simt::aligned(to + first, 16), x.v, sizeof x.v);
#endif
    return;
  }
  for (int k = 0; k < 4; ++k) {
    if (first + k < n) to[first + k] = x.v[k];
  }
}

// The same for 8 values. They are a thread's share of a tensor that is walked as one row of values.
struct Eight {
  float v[8];
};
__device__ inline Eight load8(const float* from, Index first, Index n) {
  const Four a = load4(from, first, n), b = load4(from, first + 4, n);
  return {{a.v[0], a.v[1], a.v[2], a.v[3], b.v[0], b.v[1], b.v[2], b.v[3]}};
}
__device__ inline void store8(float* to, Index first, Index n, const Eight& x) {
  store4(to, first, n, {{x.v[0], x.v[1], x.v[2], x.v[3]}});
  store4(to, first + 4, n, {{x.v[4], x.v[5], x.v[6], x.v[7]}});
}

// 16 bytes of packed codes.
__device__ inline void load_words(const unsigned char* from, std::uint64_t (&words)[2]) {
#if defined(__CUDACC__)
  const ulonglong2 x = *reinterpret_cast<const ulonglong2*>(from);
  words[0] = x.x, words[1] = x.y;
#else
  std::memcpy(words, simt::aligned(from, 16), sizeof words);
#endif
}
__device__ inline void store_words(unsigned char* to, const std::uint64_t (&words)[2]) {
#if defined(__CUDACC__)
  *reinterpret_cast<ulonglong2*>(to) = ulonglong2{words[0], words[1]};
#else
  std::memcpy(simt::aligned(to, 16), words, sizeof words);
#endif
}

// Column (or row) of value i of a matrix with `cols` columns. They avoid 64-bit divisions, of some 70 instructions.
__device__ inline Index column_of(Index i, Index cols) {
  if (((i | cols) >> 32) == 0) return static_cast<std::uint32_t>(i) % static_cast<std::uint32_t>(cols);
  return i % cols;
}
__device__ inline Index row_of(Index i, Index cols) {
  if (((i | cols) >> 32) == 0) return static_cast<std::uint32_t>(i) / static_cast<std::uint32_t>(cols);
  return i / cols;
}

// Returns the entries of a vector, with one value per column, for the values first … first+7 of a matrix below n.
__device__ inline Eight row_vector(const float* vector, Index first, Index n, Index cols) {
  Index column = column_of(first, cols);
  if (cols % 8 == 0) return load8(vector, column, cols);
  Eight x{};
  for (int k = 0; k < 8; ++k) {
    if (first + k < n) x.v[k] = vector[column];
    if (++column == cols) column = 0;
  }
  return x;
}

}  // namespace gamlp::cuda
