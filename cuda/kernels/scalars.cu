// Scalars that stay in device memory: iteration ← iteration + 1; τ ← max(Q, floor τ), Q = (ν image2 + c
// change2)/change2. One thread; a few bytes. And the hash of a tensor, which reads 4 bytes per value.
#include "cuda/core/kernel.hpp"
#include "cuda/kernels/ops.hpp"
#include "host/math/hash.hpp"

namespace gamlp::cuda {
namespace {

__global__ void tick_kernel(std::uint32_t* iteration) { ++*iteration; }

__global__ void tau_kernel(const double* change2, const double* image2, double* tau, double nu, double c,
                           double floor) {
  if (!(*change2 > 0.0)) return;
  const double curvature = (nu * *image2 + c * *change2) / *change2, least = floor * *tau;
  *tau = curvature < least ? least : curvature;
}

// Sums of integers: their order does not matter.
__global__ void __launch_bounds__(kThreads)
    add_hash_kernel(const float* x, Index n, std::uint32_t key, std::uint32_t* hash) {
  std::uint32_t low = 0, high = 0;
  const Index stride = static_cast<Index>(gridDim.x) * blockDim.x;
  for (Index i = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x; i < n; i += stride) {
    const HashTerm term = hash_term(x[i], static_cast<std::uint32_t>(i), key);
    low += term.low, high += term.high;
  }
  for (unsigned step = kWarp / 2; step > 0; step /= 2) {
    low += __shfl_xor_sync(kAllLanes, low, static_cast<int>(step));
    high += __shfl_xor_sync(kAllLanes, high, static_cast<int>(step));
  }
  if (threadIdx.x % kWarp != 0) return;
  atomicAdd(hash, low);
  atomicAdd(hash + 1, high);
}

}  // namespace

void run(const ops::AddHash& op, Queue& queue) {
  if (op.x.empty()) return;
  const Grid grid{bounded_blocks(divided_up(op.x.size(), Index{4} * kThreads)), 1, kThreads, 0};
  launch(queue, ops::AddHash::name, add_hash_kernel, grid, op.x.data, op.x.size(), op.key, op.hash.data);
}

void run(const ops::Tick& op, Queue& queue) {
  launch(queue, ops::Tick::name, tick_kernel, {1, 1, 1}, op.iteration.data);
}

void run(const ops::TauUpdate& op, Queue& queue) {
  launch(queue, ops::TauUpdate::name, tau_kernel, {1, 1, 1}, op.change2.data, op.image2.data, op.tau.data, op.nu, op.c,
         op.floor);
}

}  // namespace gamlp::cuda
