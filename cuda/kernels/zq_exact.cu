// Hidden layers of the exact update, in one pass: A = a + b + v; z, then q minimised jointly; v ← β (A − z); t ← z − v;
// q ← x̂ of (ρ p + u + ν2 f(z))/(ρ + ν2); u ← u + ρ (p − q); Σ (z − a − b)² and the sums of QDual.
// Reads a, v, p, u (and q, for differences), writes z, v, t, q, u and the codes: 36 to 40 bytes per value and the
// code's. One range over the tensor takes a first pass, which only reads: 16 to 20 more.
#include "cuda/kernels/ops.hpp"
#include "cuda/kernels/q_dual.hpp"

namespace gamlp::cuda {
namespace {

template <class F>
struct ZqRule {
  static constexpr bool kOld = false;
  static constexpr int kSums = 5;
  struct State {
    typename QDualStep<F>::State q;
    Eight linear, z, target;  // a + b; z; A
  };
  QDualStep<F> step;
  const float *a, *b, *p;
  float *z, *v, *t;
  Index cols;
  float k, inverse_rho, beta;  // k: weight of the activation's term (prox.hpp)
  double *linear2, *out;

  __device__ void start() {}
  __device__ void target(Index first, Index n, State& state, Eight& x) const {
    state.q.p = load8(p, first, n);
    state.q.u = load8(step.u, first, n);
    state.linear = load8(a, first, n);
    state.target = load8(v, first, n);
    const Eight bias = row_vector(b, first, n, cols);
    for (int i = 0; i < 8; ++i) {
      state.linear.v[i] = state.linear.v[i] + bias.v[i];
      state.target.v[i] = state.linear.v[i] + state.target.v[i];
      state.z.v[i] = prox_activation(step.f, state.target.v[i], state.q.p.v[i] + state.q.u.v[i] * inverse_rho, k);
      state.q.fz.v[i] = step.f(state.z.v[i]);
    }
    step.target(state.q, x);
  }
  __device__ void finish(Index first, Index n, const State& state, const Eight&, const Eight& q, float* sums) const {
    Eight multiplier, fresh_t;
    for (int i = 0; i < 8; ++i) {
      const float miss = state.z.v[i] - state.linear.v[i];
      multiplier.v[i] = beta * (state.target.v[i] - state.z.v[i]);
      fresh_t.v[i] = state.z.v[i] - multiplier.v[i];
      sums[4] += miss * miss;
    }
    store8(z, first, n, state.z);
    store8(v, first, n, multiplier);
    store8(t, first, n, fresh_t);
    step.finish(first, n, state.q, q, sums);
  }
  __device__ void total(const double (&sums)[5]) const {
    for (int i = 0; i < 4; ++i) out[i] = sums[i];
    *linear2 = sums[4];
  }
};

}  // namespace

void run(const ops::ZqExact& op, Queue& queue) {
  with_activation(op.f, [&]<class F>(F f) {
    const float k = op.nu2 * op.rho / (op.nu2 + op.rho) / op.nu;
    const ZqRule<F> rule{q_dual_step(op, f), op.a.data, op.b.data, op.p.data,     op.z.data, op.v.data,
                         op.t.data,          op.z.cols, k,         1.0f / op.rho, op.beta,   op.linear2.data,
                         op.sums.data};
    quantize_store(queue, ops::ZqExact::name, rule, op.quantize, op.q);
  });
}

}  // namespace gamlp::cuda
