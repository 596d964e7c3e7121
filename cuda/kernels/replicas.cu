// The ops of replicas of a network (host/math/replicas.hpp), each in one pass. Bytes per weight: pull reads w and one
// or two rows, writes w: 12 or 16. outer_step reads the change, momentum and the anchor, writes momentum, anchor and
// w: 24.
#include "cuda/core/map.hpp"
#include "cuda/kernels/ops.hpp"

namespace gamlp::cuda {
namespace {

struct PullBody : Plain {
  float* w;
  const float *first, *second;
  float first_share, second_share;

  __device__ void each(Index at, Index n, float*) const {
    Eight x = load8(w, at, n);
    const Eight to = load8(first, at, n);
#pragma unroll
    for (int k = 0; k < 8; ++k) x.v[k] = pulled(x.v[k], to.v[k], first_share);
    if (second != nullptr) {
      const Eight then = load8(second, at, n);
#pragma unroll
      for (int k = 0; k < 8; ++k) x.v[k] = pulled(x.v[k], then.v[k], second_share);
    }
    store8(w, at, n, x);
  }
};

struct OuterBody {
  static constexpr int kSums = 0;
  OuterRule rule;
  const std::uint32_t* iteration;
  const double* rates;
  Index steps;  // that rates has
  const float* change;
  float *momentum, *anchor, *w;
  OuterUpdate step;

  __device__ void start() { step = OuterUpdate(rule, rate_at(rule.learning_rate, rates, steps, *iteration)); }
  __device__ void each(Index first, Index n, float*) const {
    const Eight c = load8(change, first, n);
    Eight u = load8(momentum, first, n), a = load8(anchor, first, n);
#pragma unroll
    for (int k = 0; k < 8; ++k) a.v[k] = step(c.v[k], u.v[k], a.v[k]);
    store8(momentum, first, n, u);
    store8(anchor, first, n, a);
    store8(w, first, n, a);
  }
};

}  // namespace

void run(const ops::Pull& op, Queue& queue) {
  PullBody body{};
  body.w = op.w.data, body.first = op.first.data, body.second = op.second.data;
  body.first_share = op.first_share, body.second_share = op.second_share;
  map(queue, ops::Pull::name, body, op.w.size());
}

void run(const ops::OuterStep& op, Queue& queue) {
  const OuterBody body{op.rule,          op.iteration.data, op.rates.data, op.rates.size(),          op.change.data,
                       op.momentum.data, op.anchor.data,    op.w.data,     OuterUpdate(op.rule, 1.0)};
  map(queue, ops::OuterStep::name, body, op.w.size());
}

}  // namespace gamlp::cuda
