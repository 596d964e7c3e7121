// What collectives add up: a thread takes a column at a time, and walks down the parts. Reads each part once, writes
// the result: 4 (parts + 1) bytes per value.
#include "cuda/core/map.hpp"
#include "cuda/kernels/ops.hpp"

namespace gamlp::cuda {
namespace {

// The sum of a column by the tree. Places of the stack are named by constants, so that they stay in registers.
template <class T>
__device__ T column_sum(const T* parts, Index cols, Index column, const SumTree& tree) {
  T stack[kSumDepth] = {};
  int top = -1;
  for (int i = 0; i < tree.parts; ++i) {
    const T value = parts[i * cols + column];
    ++top;
#pragma unroll
    for (int k = 0; k < kSumDepth; ++k) stack[k] = k == top ? value : stack[k];
    for (int merges = tree.merges[static_cast<std::size_t>(i)]; merges > 0; --merges) {
      --top;
#pragma unroll
      for (int k = 0; k + 1 < kSumDepth; ++k) stack[k] = k == top ? stack[k] + stack[k + 1] : stack[k];
    }
  }
  return stack[0];
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    sum_parts_kernel(const T* parts, Index cols, T* out, Index n, SumTree tree) {
  const Index stride = static_cast<Index>(gridDim.x) * blockDim.x;
  for (Index column = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x; column < n; column += stride) {
    out[column] = column_sum(parts, cols, column, tree);
  }
}

__global__ void __launch_bounds__(kThreads)
    max_parts_kernel(const float* parts, Index rows, Index cols, float* out, Index n) {
  const Index stride = static_cast<Index>(gridDim.x) * blockDim.x;
  for (Index column = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x; column < n; column += stride) {
    float most = parts[column];
    for (Index i = 1; i < rows; ++i) most = fold<Fold::most>(most, parts[i * cols + column]);
    out[column] = most;
  }
}

struct AccumulateBody : Plain {
  const float* x;
  float* y;
  __device__ void each(Index first, Index n, float*) const {
    const Eight xs = load8(x, first, n);
    Eight ys = load8(y, first, n);
    for (int k = 0; k < 8; ++k) ys.v[k] += xs.v[k];
    store8(y, first, n, ys);
  }
};

Grid columns_grid(Index n) { return {bounded_blocks(divided_up(n, kThreads)), 1, kThreads, 0}; }

template <class T>
void sum(Queue& queue, const char* name, MatView<const T> parts, MatView<T> out, const SumTree& tree) {
  expects(tree.parts == parts.rows, "the tree has as many parts as there are rows");
  if (out.empty()) return;
  launch(queue, name, sum_parts_kernel<T>, columns_grid(out.size()), parts.data, parts.cols, out.data, out.size(),
         tree);
}

}  // namespace

void run(const ops::SumParts& op, Queue& queue) { sum(queue, ops::SumParts::name, op.parts, op.out, op.tree); }

void run(const ops::SumScalars& op, Queue& queue) { sum(queue, ops::SumScalars::name, op.parts, op.out, op.tree); }

void run(const ops::Accumulate& op, Queue& queue) {
  map(queue, ops::Accumulate::name, AccumulateBody{{}, op.x.data, op.y.data}, op.y.size());
}

void run(const ops::MaxParts& op, Queue& queue) {
  if (op.out.empty()) return;
  launch(queue, ops::MaxParts::name, max_parts_kernel, columns_grid(op.out.size()), op.parts.data, op.parts.rows,
         op.parts.cols, op.out.data, op.out.size());
}

}  // namespace gamlp::cuda
