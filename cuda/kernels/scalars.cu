// Scalars that stay in device memory: iteration ← iteration + 1; τ ← max(Q, floor τ), Q = (ν image2 + c
// change2)/change2. One thread; a few bytes.
#include "cuda/core/kernel.hpp"
#include "cuda/kernels/ops.hpp"

namespace gamlp::cuda {
namespace {

__global__ void tick_kernel(std::uint32_t* iteration) { ++*iteration; }

__global__ void tau_kernel(const double* change2, const double* image2, double* tau, double nu, double c,
                           double floor) {
  if (!(*change2 > 0.0)) return;
  const double curvature = (nu * *image2 + c * *change2) / *change2, least = floor * *tau;
  *tau = curvature < least ? least : curvature;
}

}  // namespace

void run(const ops::Tick& op, Queue& queue) {
  launch(queue, ops::Tick::name, tick_kernel, {1, 1, 1}, op.iteration.data);
}

void run(const ops::TauUpdate& op, Queue& queue) {
  launch(queue, ops::TauUpdate::name, tau_kernel, {1, 1, 1}, op.change2.data, op.image2.data, op.tau.data, op.nu, op.c,
         op.floor);
}

}  // namespace gamlp::cuda
