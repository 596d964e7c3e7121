// z ← z + b, y ← f(z); or z ← f(z + b). Reads z, writes z and y: 12 bytes per value (8 without y).
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
  bool in_place;
  __device__ void each(Index first, Index n, float*) const {
    Eight x = load8(z, first, n);
    const Eight bias = row_vector(b, first, n, cols);
    for (int k = 0; k < 8; ++k) x.v[k] += bias.v[k];
    if (!in_place) store8(z, first, n, x);
    float* activated = in_place ? z : y;
    if (activated == nullptr) return;
    for (int k = 0; k < 8; ++k) x.v[k] = f(x.v[k]);
    store8(activated, first, n, x);
  }
};

}  // namespace

void run(const ops::Forward& op, Queue& queue) {
  with_activation(op.f, [&]<class F>(F f) {
    map(queue, ops::Forward::name, ForwardBody<F>{{}, op.b.data, op.z.data, op.y.data, op.z.cols, f, op.in_place},
        op.z.size());
  });
}

}  // namespace gamlp::cuda
