// g ← g f'(z), from y = f(z). Reads g and y, writes g: 12 bytes per value.
#include "cuda/core/map.hpp"
#include "cuda/kernels/ops.hpp"

namespace gamlp::cuda {
namespace {

template <class F>
struct ActivationGradientBody : Plain {
  const float* y;
  float* g;
  F f;
  __device__ void each(Index first, Index n, float*) const {
    const Eight ys = load8(y, first, n);
    Eight gs = load8(g, first, n);
    for (int k = 0; k < 8; ++k) gs.v[k] *= derivative_at(f, ys.v[k]);
    store8(g, first, n, gs);
  }
};

}  // namespace

void run(const ops::ActivationGradient& op, Queue& queue) {
  with_activation(op.f, [&]<class F>(F f) {
    map(queue, ops::ActivationGradient::name, ActivationGradientBody<F>{{}, op.y.data, op.g.data, f}, op.g.size());
  });
}

}  // namespace gamlp::cuda
