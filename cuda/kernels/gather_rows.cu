// out[i] ← from[rows[i]], row by row. Reads and writes each value once: 8 bytes, and 4 per row.
#include "cuda/core/kernel.hpp"
#include "cuda/kernels/gather_rows.hpp"

namespace gamlp::cuda {
namespace {

__global__ void __launch_bounds__(kThreads)
    gather_kernel(const float* from, Index cols, const std::int32_t* rows, Index n, float* out) {
  const Index stride = Index{4} * gridDim.x * blockDim.x;
  for (Index first = Index{4} * (static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x); first < n;
       first += stride) {
    const Index row = row_of(first, cols), column = first - row * cols;
    store4(out, first, n, load4(from + rows[row] * cols, column, cols));
  }
}

}  // namespace

void gather_rows(CUstream_st* stream, const float* from, Index cols, const std::int32_t* rows, Index count,
                 float* out) {
  const Index n = count * cols;
  if (n == 0) return;
  Queue queue;
  queue.stream = stream;
  const Grid grid{bounded_blocks(divided_up(n, Index{4} * kThreads)), 1, kThreads, 0};
  launch(queue, "gather_rows", gather_kernel, grid, from, cols, rows, n, out);
}

}  // namespace gamlp::cuda
