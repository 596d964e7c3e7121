// What the kernels of the exact update share.
#pragma once

#include "cuda/core/kernel.hpp"

namespace gamlp::cuda {

// The least ridge. Without any signal (all inputs 0) only a ridge keeps a system solvable.
inline constexpr double kLeastRidge = 1e-30;

// Returns θ + λ' + μ, at least kLeastRidge. `ridge` holds (θ, λ').
__device__ inline double total_ridge(const double* ridge, double mu) {
  const double sum = ridge[0] + ridge[1] + mu;
  return sum < kLeastRidge ? kLeastRidge : sum;
}

}  // namespace gamlp::cuda
