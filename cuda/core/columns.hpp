// Sums the columns of a matrix in a pass over it. A thread keeps its columns (4 of them, where rows allow 16-byte
// accesses) and walks down the rows. So reading is coalesced, and the sums stay in registers. Rows are split into
// chunks, and each has a block. The last block of a column to finish adds up the chunks in order. A Body holds
// pointers. Its members run on the device:
//     start()                  once per thread
//     each(i, column, sums)    Width values from flat index i on, in columns column …; adds to sums[0 … Width−1]
//     total(column, sum)       one thread per column, when its sum is complete
#pragma once

#include "cuda/core/reduce.hpp"

namespace gamlp::cuda {

struct ColumnPlan {
  Index rows = 0, cols = 0;
  Index chunk = 0;                 // rows per block
  unsigned lanes = 1, height = 1;  // threads along a row; rows at a time
  unsigned column_blocks = 1, chunks = 1;
};

inline ColumnPlan plan_columns(Index rows, Index cols, int width) {
  ColumnPlan plan;
  plan.rows = rows, plan.cols = cols;
  const Index groups = divided_up(cols, width);
  plan.lanes = static_cast<unsigned>(groups < 64 ? (groups < 1 ? 1 : groups) : 64);
  plan.height = kThreads / plan.lanes;
  plan.column_blocks = static_cast<unsigned>(divided_up(groups, plan.lanes));
  Index chunks = divided_up(rows, Index{4} * plan.height);
  const Index most = plan.column_blocks > kMaxTickets ? 1 : kMaxBlocks / plan.column_blocks;
  chunks = chunks < most ? chunks : most;
  chunks = chunks * cols <= kMaxColumnSums ? chunks : kMaxColumnSums / cols;
  plan.chunks = static_cast<unsigned>(chunks < 1 ? 1 : chunks);
  plan.chunk = divided_up(rows, plan.chunks);
  return plan;
}

template <int Width, class Body>
__global__ void __launch_bounds__(kThreads) column_kernel(Body body, ColumnPlan plan, Partials partials) {
  body.start();
  const unsigned lane = threadIdx.x % plan.lanes, y = threadIdx.x / plan.lanes;
  const Index column = Width * (static_cast<Index>(blockIdx.x) * plan.lanes + lane);
  const bool mine = y < plan.height && column < plan.cols;
  double* shared = dynamic_shared<double>();  // height × lanes × Width
  const unsigned row_size = plan.lanes * Width;

  double sums[Width] = {};
  if (mine) {
    const Index begin = blockIdx.y * plan.chunk;
    const Index end = begin + plan.chunk < plan.rows ? begin + plan.chunk : plan.rows;
    for (Index row = begin + y; row < end;) {
      float part[Width] = {};
#pragma unroll 4
      for (int i = 0; i < 16 && row < end; ++i, row += plan.height) body.each(row * plan.cols + column, column, part);
      for (int k = 0; k < Width; ++k) sums[k] += static_cast<double>(part[k]);
    }
  }
  // Sums over the threads of a column, in order. The first of them then holds the sum of the chunk.
  const auto down = [&] {
    __syncthreads();
    if (mine) {
      for (int k = 0; k < Width; ++k) shared[y * row_size + lane * Width + k] = sums[k];
    }
    __syncthreads();
    if (!mine || y != 0) return;
    for (int k = 0; k < Width; ++k) {
      for (unsigned i = 1; i < plan.height; ++i) sums[k] += shared[i * row_size + lane * Width + k];
    }
  };
  down();
  if (plan.chunks > 1) {
    if (mine && y == 0) {
      for (int k = 0; k < Width; ++k) partials.sums[blockIdx.y * plan.cols + column + k] = sums[k];
    }
    if (!last_block(partials.arrived + blockIdx.x, plan.chunks)) return;
    for (int k = 0; k < Width; ++k) {
      sums[k] = 0.0;
      if (!mine) continue;
#pragma unroll 4
      for (unsigned chunk = y; chunk < plan.chunks; chunk += plan.height) {
        sums[k] += partials.sums[chunk * plan.cols + column + k];
      }
    }
    down();
  }
  if (mine && y == 0) {
    for (int k = 0; k < Width; ++k) body.total(column + k, sums[k]);
  }
}

template <template <int> class Body, class... Members>
void sum_columns(Queue& queue, const char* name, Index rows, Index cols, Members... members) {
  if (cols == 0) return;
  const auto go = [&]<int Width>(std::integral_constant<int, Width>) {
    const ColumnPlan plan = plan_columns(rows, cols, Width);
    const std::size_t shared = std::size_t{plan.height} * plan.lanes * Width * sizeof(double);
    launch(queue, name, column_kernel<Width, Body<Width>>, {plan.column_blocks, plan.chunks, kThreads, shared},
           Body<Width>{members...}, plan, queue.partials);
  };
  if (cols % 4 == 0) {
    go(std::integral_constant<int, 4>{});
  } else {
    go(std::integral_constant<int, 1>{});
  }
}

// Loads, or stores, Width values at i by one aligned access.
template <int Width>
__device__ void load_some(const float* from, Index i, float (&x)[Width]) {
  if constexpr (Width == 4) {
    const Four y = load4(from, i, i + 4);
    for (int k = 0; k < 4; ++k) x[k] = y.v[k];
  } else {
    x[0] = from[i];
  }
}
template <int Width>
__device__ void store_some(float* to, Index i, const float (&x)[Width]) {
  if constexpr (Width == 4) {
    store4(to, i, i + 4, {{x[0], x[1], x[2], x[3]}});
  } else {
    to[i] = x[0];
  }
}

}  // namespace gamlp::cuda
