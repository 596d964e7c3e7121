// Accuracy: how many rows have their best class at their label (argmax.hpp). Reads the scores: 4 bytes per value.
// A group of 1 to 32 lanes has a row; every lane takes each so many-th class.
#include "cuda/core/reduce.hpp"
#include "cuda/kernels/ops.hpp"
#include "host/math/argmax.hpp"

namespace gamlp::cuda {
namespace {

__global__ void __launch_bounds__(kThreads)
    correct_kernel(const float* scores, const std::int32_t* labels, Index rows, Index classes, unsigned lanes,
                   double* count, Partials partials) {
  const unsigned lane = threadIdx.x % lanes, group = threadIdx.x / lanes, per_block = blockDim.x / lanes;
  double right[1] = {};
  for (Index start = static_cast<Index>(blockIdx.x) * per_block; start < rows;
       start += static_cast<Index>(gridDim.x) * per_block) {
    const Index row = start + group;
    BestClass best = best_class(scores + row * classes, row < rows ? classes : 0, lane, lanes);
    for (unsigned step = lanes / 2; step > 0; step /= 2) {
      const BestClass other{__shfl_xor_sync(kAllLanes, best.score, static_cast<int>(step)),
                            static_cast<Index>(__shfl_xor_sync(kAllLanes, static_cast<std::int32_t>(best.index),
                                                               static_cast<int>(step)))};
      if (best.loses_to(other)) best = other;
    }
    if (lane == 0 && row < rows && best.index == labels[row]) right[0] += 1.0;
  }
  if (grid_sum(right, partials)) *count = right[0];
}

}  // namespace

void run(const ops::Correct& op, Queue& queue) {
  unsigned lanes = 1;
  while (lanes < kWarp && lanes * 4 < op.scores.cols) lanes *= 2;
  const Grid grid{bounded_blocks(divided_up(op.scores.rows, kThreads / lanes)), 1, kThreads, 0};
  launch(queue, ops::Correct::name, correct_kernel, grid, op.scores.data, op.labels.data, op.scores.rows,
         op.scores.cols, lanes, op.count.data, queue.partials);
}

}  // namespace gamlp::cuda
