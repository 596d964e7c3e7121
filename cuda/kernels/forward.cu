// z ← z + b, y ← f(z). Reads z, writes z and y: 12 bytes per value (8 without y).
#include "cuda/core/map.hpp"
#include "cuda/kernels/ops.hpp"

namespace gamlp::cuda {
namespace {

template <class F>
struct ForwardBody : Plain {
  const float* b;
  float *z, *y;
  Index cols;
  F f;
  __device__ void each(Index first, Index n, float*) const {
    Eight x = load8(z, first, n);
    const Eight bias = row_vector(b, first, n, cols);
    for (int k = 0; k < 8; ++k) x.v[k] += bias.v[k];
    store8(z, first, n, x);
    if (y == nullptr) return;
    for (int k = 0; k < 8; ++k) x.v[k] = f(x.v[k]);
    store8(y, first, n, x);
  }
};

}  // namespace

void run(const ops::Forward& op, Queue& queue) {
  with_activation(op.f, [&]<class F>(F f) {
    map(queue, ops::Forward::name, ForwardBody<F>{{}, op.b.data, op.z.data, op.y.data, op.z.cols, f}, op.z.size());
  });
}

}  // namespace gamlp::cuda
