// y ← y − x/τ with 1/τ = gradient2/(ν image2 + c gradient2). Reads x and y, writes y: 12 bytes per value.
#include "cuda/core/map.hpp"
#include "cuda/kernels/ops.hpp"

namespace gamlp::cuda {
namespace {

struct DescentBody {
  static constexpr int kSums = 0;
  const double *gradient2, *image2;
  double nu, c;
  const float* x;
  float* y;
  double* tau;
  float inverse;

  __device__ void start() {
    inverse = inverse_step(*gradient2, *image2, nu, c);
    if (tau != nullptr && blockIdx.x == 0 && threadIdx.x == 0) {
      *tau = inverse > 0.0f ? 1.0 / static_cast<double>(inverse) : 0.0;
    }
  }
  __device__ void each(Index first, Index n, float*) const {
    const Eight xs = load8(x, first, n);
    Eight ys = load8(y, first, n);
    for (int k = 0; k < 8; ++k) ys.v[k] -= inverse * xs.v[k];
    store8(y, first, n, ys);
  }
};

}  // namespace

void run(const ops::Descent& op, Queue& queue) {
  const Index n = op.y.size();
  const DescentBody body{
      op.step.gradient2.data, op.step.image2.data, op.step.nu, op.step.c, op.x.data, op.y.data, op.tau.data, 0.0f};
  // Also without values: τ is set.
  launch(queue, ops::Descent::name, map_kernel<DescentBody>, flat_grid(n), body, n, queue.partials);
}

}  // namespace gamlp::cuda
