// What forecasts know of CUDA devices, with a toolkit and without one; cuda/ asserts that it keeps to it.
#pragma once

#include <cstddef>

namespace gamlp {

// What a CUDA device allocates for itself, once, beside what programs ask for: workspace of the libraries, and of sums.
inline constexpr std::size_t kCudaWorkspaceBytes = (std::size_t{64} << 20) + (std::size_t{8} << 20) + 16640;

// What NCCL takes of each of several GPUs for its connections, about: not measured yet.
inline constexpr std::size_t kNcclBytes = std::size_t{256} << 20;

// CUDA devices' Device::parallel_ops().
inline constexpr int kCudaParallelOps = 16;

}  // namespace gamlp
