// What forecasts (host/plan) know of CUDA devices, also in a build without the CUDA toolkit. cuda/ asserts that its own
// numbers are these.
#pragma once

#include <cstddef>

namespace gamlp {

// What a CUDA device allocates for itself, once, beside what programs ask for: the workspace of the libraries and of
// sums.
inline constexpr std::size_t kCudaWorkspaceBytes = (std::size_t{64} << 20) + (std::size_t{8} << 20) + 16640;

// About what NCCL takes on each of several GPUs for its connections. This is not measured yet.
inline constexpr std::size_t kNcclBytes = std::size_t{256} << 20;

// Device::parallel_ops() of a CUDA device.
inline constexpr int kCudaParallelOps = 16;

}  // namespace gamlp
