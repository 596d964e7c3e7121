// The projected p step at the lagged τ, in one pass: g ← g + u + ρ (p − q); x = p − g/τ; p ← x̂; g ← the change of p;
// Σ change². Reads p, g, u and q, writes p, g and the codes: 24 bytes per value and the code's. One range over the
// tensor takes a first pass, which finishes the gradient: 20 bytes, and 16 in the second. Without u and q (g is the
// whole gradient): 16 bytes, and 8 for the first pass. p_target: p ← x̂ of x. Reads x, writes p (reads it, for
// differences) and the codes: 8 to 12 bytes; first pass: 4 to 8.
#include "cuda/kernels/codec.hpp"
#include "cuda/kernels/ops.hpp"

namespace gamlp::cuda {
namespace {

// Finish: u and q have their share in the gradient still to come.
template <bool Finish>
struct PProjectRule {
  static constexpr bool kOld = true;
  static constexpr int kSums = 1;
  struct State {};
  const float* p;
  float* g;
  const float *u, *q;
  float rho;
  const double* tau;
  double* norm2;
  float inverse;

  __device__ void start() { inverse = *tau > 0.0 ? static_cast<float>(1.0 / *tau) : 0.0f; }
  __device__ Eight gradient(Index first, Index n, const Eight& ps) const {
    Eight x = load8(g, first, n);
    if constexpr (Finish) {
      const Eight us = load8(u, first, n), qs = load8(q, first, n);
      for (int k = 0; k < 8; ++k) x.v[k] = x.v[k] + us.v[k] + rho * (ps.v[k] - qs.v[k]);
    }
    return x;
  }
  __device__ Eight step(const Eight& ps, const Eight& gs) const {
    Eight x;
    for (int k = 0; k < 8; ++k) x.v[k] = ps.v[k] - inverse * gs.v[k];
    return x;
  }
  __device__ void target(Index first, Index n, State&, Eight& x) const {
    const Eight ps = load8(p, first, n);
    x = step(ps, gradient(first, n, ps));
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

// The pass of a range over the tensor: leaves the whole gradient in g.
struct FinishGradient {
  struct State {};
  PProjectRule<true> rule;
  __device__ void start() { rule.start(); }
  __device__ void target(Index first, Index n, State&, Eight& x) const {
    const Eight ps = load8(rule.p, first, n), gs = rule.gradient(first, n, ps);
    store8(rule.g, first, n, gs);
    x = rule.step(ps, gs);
  }
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
  const PProjectRule<false> whole{op.p.data, op.g.data, nullptr, nullptr, 0.0f, op.tau.data, op.norm2.data, 0.0f};
  const PProjectRule<true> rest{op.p.data, op.g.data, op.u.data, op.q.data, op.rho, op.tau.data, op.norm2.data, 0.0f};
  constexpr const char* kName = ops::PProject::name;
  if (op.u.data == nullptr) {
    quantize_store(queue, kName, whole, op.quantize, op.p);
  } else if (op.quantize.format.quantized() && op.quantize.format.range == Range::tensor) {
    quantize_store(queue, kName, FinishGradient{rest}, whole, op.quantize, op.p);
  } else {
    quantize_store(queue, kName, rest, op.quantize, op.p);
  }
}

void run(const ops::PTarget& op, Queue& queue) {
  quantize_store(queue, ops::PTarget::name, PTargetRule{op.x.data}, op.quantize, op.p);
}

}  // namespace gamlp::cuda
