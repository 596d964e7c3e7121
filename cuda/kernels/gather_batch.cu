// Rows of a permutation, and their labels. A block of threads takes a row at a time, and every thread finds its number.
// Reads and writes each value once: 8 bytes, and as many per row for its label. Also y ← y + x of a few scalars.
#include "cuda/core/kernel.hpp"
#include "cuda/kernels/ops.hpp"
#include "host/math/permutation.hpp"

namespace gamlp::cuda {
namespace {

__global__ void __launch_bounds__(kThreads)
    gather_batch_kernel(const float* x, Index cols, float* out, const std::int32_t* labels, std::int32_t* chosen,
                        Index rows, Index count, Index first, const std::uint32_t* iteration, Index steps,
                        std::uint32_t key) {
  const Permutation permutation(key_at(key, static_cast<std::uint32_t>(*iteration / steps)),
                                static_cast<std::uint32_t>(rows));
  for (Index i = blockIdx.x; i < count; i += gridDim.x) {
    const Index from = permutation(static_cast<std::uint32_t>(first + i));
    if (labels != nullptr && threadIdx.x == 0) chosen[i] = labels[from];
    if (x == nullptr) continue;
    for (Index j = threadIdx.x; j < cols; j += blockDim.x) out[i * cols + j] = x[from * cols + j];
  }
}

__global__ void __launch_bounds__(kWarp) add_scalars_kernel(const double* x, double* y, Index n) {
  for (Index i = threadIdx.x; i < n; i += kWarp) y[i] += x[i];
}

}  // namespace

void run(const ops::GatherBatch& op, Queue& queue) {
  if (op.count() == 0) return;
  const Grid grid{bounded_blocks(op.count()), 1, op.x.cols > 128 ? kThreads : unsigned{kWarp}, 0};
  launch(queue, ops::GatherBatch::name, gather_batch_kernel, grid, op.x.data, op.x.cols, op.out.data, op.labels.data,
         op.chosen.data, op.rows(), op.count(), op.first, op.iteration.data, op.steps, op.key);
}

void run(const ops::AddScalars& op, Queue& queue) {
  if (op.y.empty()) return;
  launch(queue, ops::AddScalars::name, add_scalars_kernel, Grid{1, 1, kWarp, 0}, op.x.data, op.y.data, op.y.size());
}

}  // namespace gamlp::cuda
