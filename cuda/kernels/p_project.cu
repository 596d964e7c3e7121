// The projected p step at the lagged τ, in one pass: x = p − g/τ; p ← x̂; g ← the change of p; Σ change².
// Reads p and g, writes p, g and the codes: 16 bytes per value and the code's. One range over the tensor takes a first
// pass over p and g: 8 bytes more.
// p_target: p ← x̂ of x. Reads x, writes p (reads it, for differences) and the codes: 8 to 12 bytes; first pass: 4 to 8.
#include "cuda/kernels/codec.hpp"
#include "cuda/kernels/ops.hpp"

namespace gamlp::cuda {
namespace {

struct PProjectRule {
  static constexpr bool kOld = true;
  static constexpr int kSums = 1;
  struct State {};
  const float* p;
  float* g;
  const double* tau;
  double* norm2;
  float inverse;

  __device__ void start() { inverse = *tau > 0.0 ? static_cast<float>(1.0 / *tau) : 0.0f; }
  __device__ void target(Index first, Index n, State&, Eight& x) const {
    x = load8(p, first, n);
    const Eight gradient = load8(g, first, n);
    for (int k = 0; k < 8; ++k) x.v[k] = x.v[k] - inverse * gradient.v[k];
  }
  __device__ void finish(Index first, Index n, const State&, const Eight& old, const Eight& fresh, float* sums) const {
    Eight change;
    for (int k = 0; k < 8; ++k) {
      change.v[k] = fresh.v[k] - old.v[k];
      sums[0] += change.v[k] * change.v[k];
    }
    store8(g, first, n, change);
  }
  __device__ void total(const double (&sums)[1]) const { *norm2 = sums[0]; }
};

struct PTargetRule {
  static constexpr bool kOld = false;
  static constexpr int kSums = 0;
  struct State {};
  const float* x;

  __device__ void start() {}
  __device__ void target(Index first, Index n, State&, Eight& out) const { out = load8(x, first, n); }
  __device__ void finish(Index, Index, const State&, const Eight&, const Eight&, float*) const {}
};

}  // namespace

void run(const ops::PProject& op, Queue& queue) {
  quantize_store(queue, ops::PProject::name, PProjectRule{op.p.data, op.g.data, op.tau.data, op.norm2.data, 0.0f},
                 op.quantize, op.p);
}

void run(const ops::PTarget& op, Queue& queue) {
  quantize_store(queue, ops::PTarget::name, PTargetRule{op.x.data}, op.quantize, op.p);
}

}  // namespace gamlp::cuda
