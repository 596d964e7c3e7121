// Norms and the passes that are one sum and one product. Per value:
//   dot           Σ a b                               reads a, b: 8 bytes (4 when they are the same)
//   distance2     Σ (a − b)²                        reads a, b: 8 bytes
//   residual_add  r ← r + d, Σ d²                     reads d, r, writes r: 12 bytes
//   w_gradient    g ← g + μ W, Σ g²                   reads g, W, writes g: 12 bytes
//   p_gradient    g ← g + u + ρ (p − q), Σ g²         reads g, u, p, q, writes g: 20 bytes
#include "cuda/core/map.hpp"
#include "cuda/kernels/ops.hpp"

namespace gamlp::cuda {
namespace {

struct OneSum {
  static constexpr int kSums = 1;
  double* out;
  __device__ void start() {}
  __device__ void total(const double (&sums)[1]) const { *out = sums[0]; }
};

struct DotBody : OneSum {
  const float *a, *b;
  __device__ void each(Index first, Index n, float* sums) const {
    const Eight x = load8(a, first, n);
    const Eight y = a == b ? x : load8(b, first, n);
    for (int k = 0; k < 8; ++k) sums[0] += x.v[k] * y.v[k];
  }
};

struct Distance2Body : OneSum {
  const float *a, *b;
  __device__ void each(Index first, Index n, float* sums) const {
    const Eight x = load8(a, first, n), y = load8(b, first, n);
    for (int k = 0; k < 8; ++k) sums[0] += (x.v[k] - y.v[k]) * (x.v[k] - y.v[k]);
  }
};

struct ResidualAddBody : OneSum {
  const float* d;
  float* r;
  __device__ void each(Index first, Index n, float* sums) const {
    const Eight x = load8(d, first, n);
    Eight y = load8(r, first, n);
    for (int k = 0; k < 8; ++k) {
      y.v[k] += x.v[k];
      sums[0] += x.v[k] * x.v[k];
    }
    store8(r, first, n, y);
  }
};

struct WGradientBody : OneSum {
  const float* w;
  float* g;
  float mu;
  __device__ void each(Index first, Index n, float* sums) const {
    const Eight x = load8(w, first, n);
    Eight y = load8(g, first, n);
    for (int k = 0; k < 8; ++k) {
      y.v[k] = y.v[k] + mu * x.v[k];
      sums[0] += y.v[k] * y.v[k];
    }
    store8(g, first, n, y);
  }
};

struct PGradientBody : OneSum {
  float* g;
  const float *u, *p, *q;
  float rho;
  __device__ void each(Index first, Index n, float* sums) const {
    Eight x = load8(g, first, n);
    const Eight us = load8(u, first, n), ps = load8(p, first, n), qs = load8(q, first, n);
    for (int k = 0; k < 8; ++k) {
      x.v[k] = x.v[k] + us.v[k] + rho * (ps.v[k] - qs.v[k]);
      sums[0] += x.v[k] * x.v[k];
    }
    store8(g, first, n, x);
  }
};

}  // namespace

void run(const ops::Dot& op, Queue& queue) {
  map(queue, ops::Dot::name, DotBody{{op.out.data}, op.a.data, op.b.data}, op.a.size());
}
void run(const ops::Distance2& op, Queue& queue) {
  map(queue, ops::Distance2::name, Distance2Body{{op.out.data}, op.a.data, op.b.data}, op.a.size());
}
void run(const ops::ResidualAdd& op, Queue& queue) {
  map(queue, ops::ResidualAdd::name, ResidualAddBody{{op.norm2.data}, op.d.data, op.r.data}, op.r.size());
}
void run(const ops::WGradient& op, Queue& queue) {
  map(queue, ops::WGradient::name, WGradientBody{{op.norm2.data}, op.w.data, op.g.data, op.mu}, op.g.size());
}
void run(const ops::PGradient& op, Queue& queue) {
  map(queue, ops::PGradient::name, PGradientBody{{op.norm2.data}, op.g.data, op.u.data, op.p.data, op.q.data, op.rho},
      op.g.size());
}

}  // namespace gamlp::cuda
