// The step of q and of the dual u, which both updates have in common: q ← x̂ of (ρ p + u + ν2 f(z))/(ρ + ν2),
// u ← u + ρ (p − q). It also makes the sums of the objective (host/device/ops/gradient.hpp: QDual).
#pragma once

#include "cuda/kernels/codec.hpp"

namespace gamlp::cuda {

template <class F>
struct QDualStep {
  struct State {
    Eight p, u, fz;
  };
  float* u;
  F f;
  float rho, nu2, inverse;  // inverse = 1/(ρ + ν2)

  __device__ void target(const State& state, Eight& x) const {
    for (int k = 0; k < 8; ++k) x.v[k] = q_target(state.p.v[k], state.u.v[k], state.fz.v[k], rho, nu2, inverse);
  }
  __device__ void finish(Index first, Index n, const State& state, const Eight& q, float* sums) const {
    Eight fresh;
    for (int k = 0; k < 8; ++k) {
      fresh.v[k] = dual_step(state.u.v[k], state.p.v[k], q.v[k], rho);
      const float gap = state.p.v[k] - q.v[k], miss = q.v[k] - state.fz.v[k];
      sums[0] += miss * miss;
      sums[1] += fresh.v[k] * gap;
      sums[2] += gap * gap;
      sums[3] += q.v[k] * q.v[k];
    }
    store8(u, first, n, fresh);
  }
};

template <class F>
QDualStep<F> q_dual_step(const auto& op, F f) {
  return {op.u.data, f, op.rho, op.nu2, 1.0f / (op.rho + op.nu2)};
}

}  // namespace gamlp::cuda
