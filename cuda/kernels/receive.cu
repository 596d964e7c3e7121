// The receiver's half of a message: p ← x̂, reading the codes and writing p (4 bytes per value and the code's; 8 for
// differences); or q ← x̂, u ← u + ρ (p − q), which also reads p and u and writes u (16 to 20 bytes).
#include "cuda/kernels/codec.hpp"
#include "cuda/kernels/ops.hpp"

namespace gamlp::cuda {
namespace {

struct Nothing {
  __device__ void finish(Index, Index, const Eight&) const {}
};

struct DualStep {
  const float* p;
  float* u;
  float rho;
  __device__ void finish(Index first, Index n, const Eight& q) const {
    const Eight ps = load8(p, first, n);
    Eight us = load8(u, first, n);
    for (int k = 0; k < 8; ++k) us.v[k] = dual_step(us.v[k], ps.v[k], q.v[k], rho);
    store8(u, first, n, us);
  }
};

}  // namespace

void run(const ops::PReceive& op, Queue& queue) {
  receive(queue, ops::PReceive::name, Nothing{}, op.format, op.message, op.p);
}

void run(const ops::QReceive& op, Queue& queue) {
  receive(queue, ops::QReceive::name, DualStep{op.p.data, op.u.data, op.rho}, op.format, op.message, op.q);
}

}  // namespace gamlp::cuda
