// q and dual step with quantise and pack, in one pass (q_dual.hpp). Reads p, z, u (and q, for differences), writes q, u
// and the codes: 20 to 24 bytes per value and the code's. One range over the tensor takes a first pass: 12 to 16 more.
#include "cuda/kernels/ops.hpp"
#include "cuda/kernels/q_dual.hpp"

namespace gamlp::cuda {
namespace {

template <class F>
struct QDualRule {
  static constexpr bool kOld = false;
  static constexpr int kSums = 4;
  using State = typename QDualStep<F>::State;
  QDualStep<F> step;
  const float *p, *z;
  double* out;

  __device__ void start() {}
  __device__ void target(Index first, Index n, State& state, Eight& x) const {
    state.p = load8(p, first, n);
    state.u = load8(step.u, first, n);
    state.fz = load8(z, first, n);
    for (int k = 0; k < 8; ++k) state.fz.v[k] = step.f(state.fz.v[k]);
    step.target(state, x);
  }
  __device__ void finish(Index first, Index n, const State& state, const Eight&, const Eight& q, float* sums) const {
    step.finish(first, n, state, q, sums);
  }
  __device__ void total(const double (&sums)[4]) const {
    for (int k = 0; k < 4; ++k) out[k] = sums[k];
  }
};

}  // namespace

void run(const ops::QDual& op, Queue& queue) {
  with_activation(op.f, [&]<class F>(F f) {
    const QDualRule<F> rule{q_dual_step(op, f), op.p.data, op.z.data, op.sums.data};
    quantize_store(queue, ops::QDual::name, rule, op.quantize, op.q);
  });
}

}  // namespace gamlp::cuda
