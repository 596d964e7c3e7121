// Elementwise passes of the exact update. Per value:
//   p_inputs   x1 ← t − b; x2 ← ρ q − u                 reads t, writes x1: 8 bytes; reads q, u, writes x2: 12 bytes
//   centre     out ← x − mean                           reads x, writes out: 8 bytes
//   w_anchor   W ← (θ W + λ' I)/(θ + λ' + μ)            reads and writes W: 8 bytes
#include "cuda/core/map.hpp"
#include "cuda/kernels/exact.hpp"
#include "cuda/kernels/ops.hpp"

namespace gamlp::cuda {
namespace {

struct CentreBody : Plain {
  const float *x, *mean;
  float* out;
  Index cols;
  __device__ void each(Index first, Index n, float*) const {
    Eight value = load8(x, first, n);
    const Eight shift = row_vector(mean, first, n, cols);
    for (int k = 0; k < 8; ++k) value.v[k] -= shift.v[k];
    store8(out, first, n, value);
  }
};

struct DualInputBody : Plain {
  const float *q, *u;
  float* out;
  float rho;
  __device__ void each(Index first, Index n, float*) const {
    Eight value = load8(q, first, n);
    const Eight us = load8(u, first, n);
    for (int k = 0; k < 8; ++k) value.v[k] = rho * value.v[k] - us.v[k];
    store8(out, first, n, value);
  }
};

struct AnchorBody {
  static constexpr int kSums = 0;
  const double* ridge;
  double mu;
  float* w;
  Index cols;
  float keep, identity;

  __device__ void start() {
    const double sum = total_ridge(ridge, mu);
    keep = static_cast<float>(ridge[0] / sum);
    identity = static_cast<float>(ridge[1] / sum);
  }
  __device__ void each(Index first, Index n, float*) const {
    Eight value = load8(w, first, n);
    Index row = row_of(first, cols), column = first - row * cols;
    for (int k = 0; k < 8; ++k) {
      value.v[k] = value.v[k] * keep + (row == column ? identity : 0.0f);
      if (++column == cols) column = 0, ++row;
    }
    store8(w, first, n, value);
  }
};

}  // namespace

void run(const ops::PInputs& op, Queue& queue) {
  map(queue, ops::PInputs::name, CentreBody{{}, op.t.data, op.b.data, op.x1.data, op.t.cols}, op.x1.size());
  map(queue, ops::PInputs::name, DualInputBody{{}, op.q.data, op.u.data, op.x2.data, op.rho}, op.x2.size());
}

void run(const ops::Centre& op, Queue& queue) {
  map(queue, ops::Centre::name, CentreBody{{}, op.x.data, op.mean.data, op.out.data, op.x.cols}, op.x.size());
}

void run(const ops::WAnchor& op, Queue& queue) {
  map(queue, ops::WAnchor::name, AnchorBody{op.ridge.data, op.mu, op.w.data, op.w.cols, 0.0f, 0.0f}, op.w.size());
}

}  // namespace gamlp::cuda
