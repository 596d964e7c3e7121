// The ops of the exact update of pdADMM-G (docs/algorithm.md §4).
#pragma once

#include "host/device/ops/base.hpp"
#include "host/math/activation.hpp"

namespace gamlp::ops {

// k2 ← M⁻¹ (n × n) and k1 ← ν W M⁻¹ (m × n), where M = ν WᵀW + ρ I, by Cholesky.
struct POperators {
  static constexpr const char* name = "p_operators";
  static constexpr Phase phase = Phase::factor;
  static constexpr bool uses_solver = true;
  bool operator==(const POperators&) const = default;
  ConstMat w;
  Mat k1, k2;
  float nu = 0, rho = 0;
  void views(auto&& f) const { f("w", w), f("k1", k1), f("k2", k2); }
};

// x1 ← t − b (V × m) and x2 ← ρ q − u (V × n). The minimising p is x1 k1 + x2 k2.
struct PInputs {
  static constexpr const char* name = "p_inputs";
  static constexpr Phase phase = Phase::elementwise;
  bool operator==(const PInputs&) const = default;
  ConstMat t, b, q, u;
  Mat x1, x2;
  float rho = 0;
  void views(auto&& f) const { f("t", t), f("b", b), f("q", q), f("u", u), f("x1", x1), f("x2", x2); }
};

// p ← x̂, the quantised x.
struct PTarget {
  static constexpr const char* name = "p_target";
  static constexpr Phase phase = Phase::elementwise;
  bool operator==(const PTarget&) const = default;
  ConstMat x;
  Mat p;
  Quantize quantize;
  void views(auto&& f) const {
    f("x", x), f("p", p), f("feedback", quantize.feedback), f("scales", quantize.scales);
    f("message", quantize.message), f("iteration", quantize.iteration);
  }
};

// mean ← the column sums of x, divided by the number of its rows, or by `nodes`, of which x has a share.
struct ColumnMean {
  static constexpr const char* name = "column_mean";
  static constexpr Phase phase = Phase::elementwise;
  bool operator==(const ColumnMean&) const = default;
  ConstMat x;
  Mat mean;
  std::int64_t nodes = 0;  // 0: the rows of x
  std::int64_t divisor() const { return nodes > 0 ? nodes : x.rows; }
  void views(auto&& f) const { f("x", x), f("mean", mean); }
};

// factor ← the Cholesky factor (lower triangle) of M = ν (G − V p̄ p̄ᵀ) + (θ + λ' + μ) I. On entry `factor` holds
// G = PᵀP. With g = trace(G)/n, θ = κνg and λ' = λνg. ridge ← (θ, λ'), 1 × 2.
struct WFactor {
  static constexpr const char* name = "w_factor";
  static constexpr Phase phase = Phase::factor;
  static constexpr bool uses_solver = true;
  bool operator==(const WFactor&) const = default;
  Mat factor;
  ConstMat p_mean;
  MatView<double> ridge;
  std::int64_t nodes = 0;
  double nu = 0, kappa = 0, lambda = 0, mu = 0;
  void views(auto&& f) const { f("factor", factor), f("p_mean", p_mean), f("ridge", ridge); }
};

// The joint minimiser in W and b, from the factor of WFactor and the column means. On entry `rhs` holds C = TᵀP; the op
// overwrites it. W ← (ν (C − V t̄ p̄ᵀ) + θ W + λ' I) M⁻¹ and b ← t̄ − W p̄.
// The bias is free: centring eliminates it exactly.
struct WSolve {
  static constexpr const char* name = "w_solve";
  static constexpr Phase phase = Phase::factor;
  static constexpr bool uses_solver = true;
  bool operator==(const WSolve&) const = default;
  ConstMat factor, p_mean, t_mean;
  MatView<const double> ridge;
  Mat rhs, w, b;
  std::int64_t nodes = 0;
  double nu = 0;
  void views(auto&& f) const {
    f("factor", factor), f("p_mean", p_mean), f("t_mean", t_mean), f("ridge", ridge), f("rhs", rhs), f("w", w);
    f("b", b);
  }
};

// With fewer nodes than inputs (V < n) a V × V factor gives the same minimiser, from the centred inputs X₀ = P − 1 p̄:
//   W ← W̄ + ν (T − t̄ − X₀ W̄ᵀ)ᵀ M⁻¹ X₀,  W̄ = (θ W + λ' I)/(θ + λ' + μ),  M = ν K + (θ + λ' + μ) I,  K = X₀X₀ᵀ.
// factor ← the Cholesky factor of M. On entry `factor` holds K. θ, λ' and ridge are as in WFactor, where trace(G) is
// trace(K) + V ||p̄||².
struct KernelFactor {
  static constexpr const char* name = "kernel_factor";
  static constexpr Phase phase = Phase::factor;
  static constexpr bool uses_solver = true;
  bool operator==(const KernelFactor&) const = default;
  Mat factor;
  ConstMat p_mean;  // 1 × n
  MatView<double> ridge;
  double nu = 0, kappa = 0, lambda = 0, mu = 0;
  void views(auto&& f) const { f("factor", factor), f("p_mean", p_mean), f("ridge", ridge); }
};

// out ← x − mean, for every row.
struct Centre {
  static constexpr const char* name = "centre";
  static constexpr Phase phase = Phase::elementwise;
  bool operator==(const Centre&) const = default;
  ConstMat x, mean;
  Mat out;
  void views(auto&& f) const { f("x", x), f("mean", mean), f("out", out); }
};

// w ← W̄ of KernelFactor.
struct WAnchor {
  static constexpr const char* name = "w_anchor";
  static constexpr Phase phase = Phase::elementwise;
  bool operator==(const WAnchor&) const = default;
  Mat w;
  MatView<const double> ridge;
  double mu = 0;
  void views(auto&& f) const { f("w", w), f("ridge", ridge); }
};

// x ← M⁻¹ x (V × m), by the Cholesky factor of M.
struct FactorSolve {
  static constexpr const char* name = "factor_solve";
  static constexpr Phase phase = Phase::factor;
  bool operator==(const FactorSolve&) const = default;
  ConstMat factor;
  Mat x;
  void views(auto&& f) const { f("factor", factor), f("x", x); }
};

// b ← t̄ − W p̄.
struct BiasOfMeans {
  static constexpr const char* name = "bias_of_means";
  static constexpr Phase phase = Phase::elementwise;
  bool operator==(const BiasOfMeans&) const = default;
  ConstMat w, p_mean, t_mean;
  Mat b;
  void views(auto&& f) const { f("w", w), f("p_mean", p_mean), f("t_mean", t_mean), f("b", b); }
};

// The minimiser of layer 1, whose inputs never change, from the factor of KernelFactor. The op works in the coordinates
// W = cᵀ X₀ and carries a = K c along (both V × m). With λ' = 0 and d = θ/(θ+μ):
//   s = factor⁻¹ (t − t̄ − d a);  c ← d c + ν s;  a ← t − t̄ − (θ+μ) s;  b ← t̄.  (Because K s = (e − (θ+μ) s)/ν.)
struct KernelSolve {
  static constexpr const char* name = "kernel_solve";
  static constexpr Phase phase = Phase::factor;
  bool operator==(const KernelSolve&) const = default;
  ConstMat factor, t, t_mean;
  MatView<const double> ridge;
  Mat work, a, c, b;
  double nu = 0, mu = 0;
  void views(auto&& f) const {
    f("factor", factor), f("t", t), f("t_mean", t_mean), f("ridge", ridge), f("work", work), f("a", a), f("c", c);
    f("b", b);
  }
};

// The z-, q- and dual step of a hidden layer. With A = a + b + v, the op minimises jointly over z and q, z first. Then
//   v ← β (A − z);  t ← z − v;  q ← x̂ of (ρ p + u + ν2 f(z))/(ρ + ν2);  u ← u + ρ (p − q);  linear2 ← ||z − a − b||².
// `sums` is as in QDual (gradient.hpp).
struct ZqExact {
  static constexpr const char* name = "zq_exact";
  static constexpr Phase phase = Phase::elementwise;
  bool operator==(const ZqExact&) const = default;
  ConstMat a, b, p;
  Mat z, v, t, q, u;
  ActivationRule f;
  float nu = 0, rho = 0, nu2 = 0, beta = 0;
  Quantize quantize;
  Scalar linear2;
  MatView<double> sums;
  void views(auto&& w) const {
    w("a", a), w("b", b), w("p", p), w("z", z), w("v", v), w("t", t), w("q", q), w("u", u);
    w("feedback", quantize.feedback), w("scales", quantize.scales), w("message", quantize.message);
    w("iteration", quantize.iteration), w("linear2", linear2), w("sums", sums);
  }
};

// The z-step of the last layer. With A = a + b + v: z ← softmax prox around A (host/math/softmax_prox.hpp);
// v ← β (A − z); t ← z − v.
struct SoftmaxExact {
  static constexpr const char* name = "softmax_exact";
  static constexpr Phase phase = Phase::elementwise;
  bool operator==(const SoftmaxExact&) const = default;
  ConstMat a, b;
  Mat z, v, t;
  Labels labels;
  float nu = 0, beta = 0;
  Scalar risk, linear2;
  void views(auto&& f) const {
    f("a", a), f("b", b), f("z", z), f("v", v), f("t", t), f("labels", labels), f("risk", risk);
    f("linear2", linear2);
  }
};

// Every op of this file.
// clang-format off
#define GAMLP_EXACT_OPS(X) \
  X(POperators) X(PInputs) X(PTarget) X(ColumnMean) X(WFactor) X(WSolve) X(KernelFactor) X(Centre) \
  X(WAnchor) X(FactorSolve) X(BiasOfMeans) X(KernelSolve) X(ZqExact) X(SoftmaxExact)
// clang-format on

}  // namespace gamlp::ops
