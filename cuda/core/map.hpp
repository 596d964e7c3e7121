// Makes one pass over tensors of n values. A thread takes 8 neighbouring values at a time, so that every access is 16
// bytes wide. A Body holds pointers, and says what happens to 8 values. Its members run on the device:
//     kSums                   how many sums it makes (0: none)
//     start()                 once per thread, for what depends on scalars in device memory
//     each(first, n, sums)    values first … first+7; what is not below n reads as 0 (kernel.hpp). Adds to sums
//     total(sums)             one thread of the grid, when the sums are complete (kSums > 0)
#pragma once

#include "cuda/core/reduce.hpp"

namespace gamlp::cuda {

// Returns threads and blocks for n values. While there are few, all have a thread at once. Then every thread has
// several turns. `least` is the least number of threads per block, a power of two.
inline Grid flat_grid(Index n, unsigned least = kWarp) {
  unsigned threads = least;
  while (threads < kThreads && Index{8} * threads < n) threads *= 2;
  return {bounded_blocks(divided_up(n, Index{8} * threads)), 1, threads, 0};
}

template <class Each>
__device__ void each8(Index n, Each each) {
  const Index stride = Index{8} * gridDim.x * blockDim.x;
  for (Index first = Index{8} * (static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x); first < n;
       first += stride) {
    each(first);
  }
}

template <class Body>
__global__ void __launch_bounds__(kThreads) map_kernel(Body body, Index n, Partials partials) {
  body.start();
  if constexpr (Body::kSums == 0) {
    float none[1];
    each8(n, [&](Index first) { body.each(first, n, none); });
  } else {
    double sums[Body::kSums] = {};
    each8(n, [&](Index first) {
      float part[Body::kSums] = {};
      body.each(first, n, part);
      for (int k = 0; k < Body::kSums; ++k) sums[k] += static_cast<double>(part[k]);
    });
    if (grid_sum(sums, partials)) body.total(sums);
  }
}

template <class Body>
void map(Queue& queue, const char* name, const Body& body, Index n) {
  if (n == 0 && Body::kSums == 0) return;
  launch(queue, name, map_kernel<Body>, flat_grid(n), body, n, queue.partials);
}

// For a Body without sums or scalars.
struct Plain {
  static constexpr int kSums = 0;
  __device__ void start() {}
};

}  // namespace gamlp::cuda
