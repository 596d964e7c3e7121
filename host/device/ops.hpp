// The ops of the method: what a stream runs. Fused, named after the maths, plain data.
//
// Shapes. V nodes; a layer has n inputs and m outputs. Matrices are row-major and contiguous with one row
// per node, so p is V × n, z and r are V × m, and W is m × n; vectors are 1 × m. Scalars live in device
// memory as double (Scalar, ConstScalar): no op returns anything to the host.
// Access. An op reads every view and writes just the mutable ones; views(f) names them all, which is what
// checkers, tracers and cost models go by. Views of one op never overlap unless its comment says so.
// Every view starts at a multiple of 16 bytes.
// Sums are deterministic: their order depends on the shape alone.
// Equal ops do the same to the same memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <variant>

#include "host/core/matrix.hpp"
#include "host/math/activation.hpp"
#include "host/math/optimizer.hpp"
#include "host/math/quantize.hpp"

namespace gamlp {

using Scalar = MatView<double>;  // 1 × 1
using ConstScalar = MatView<const double>;
using Bytes = MatView<std::byte>;
using ConstBytes = MatView<const std::byte>;
using Labels = MatView<const std::int32_t>;  // 1 × V

inline Bytes as_bytes(Mat m) {
  return {reinterpret_cast<std::byte*>(m.data), 1, m.size() * static_cast<std::int64_t>(sizeof(float))};
}
inline ConstBytes as_bytes(ConstMat m) {
  return {reinterpret_cast<const std::byte*>(m.data), 1, m.size() * static_cast<std::int64_t>(sizeof(float))};
}

// What an op's time is counted as.
enum class Phase { gemm, factor, elementwise, codec, copy };
inline const char* phase_name(Phase phase) {
  constexpr const char* kNames[] = {"gemm", "factor", "elementwise", "codec", "copy"};
  return kNames[static_cast<std::size_t>(phase)];
}

// How an op quantises the tensor that it produces, and where the message goes.
struct Quantize {
  WireFormat format;
  Rounding rounding = Rounding::nearest;
  Mat feedback;                            // error feedback e (x ← x + e, e ← x − x̂); empty: none
  MatView<float> scales;                   // scratch for format.scale_floats() values
  Bytes message;                           // the packed message; empty when no other device wants it
  std::uint32_t key = 0;                   // of stochastic rounding: fixed per tensor
  MatView<const std::uint32_t> iteration;  // its counter in device memory, advanced by Tick
  bool operator==(const Quantize&) const = default;
};

// Exact step length from two squared norms (prox.hpp: inverse_step): 1/τ, τ = (ν·image2 + c·gradient2)/gradient2.
struct StepSize {
  ConstScalar gradient2, image2;
  double nu = 0, c = 0;
  bool operator==(const StepSize&) const = default;
};

namespace ops {

// c ← alpha · op(a) op(b) + beta · c, row-major; op transposes where ta, tb say so.
struct Gemm {
  static constexpr const char* name = "gemm";
  static constexpr Phase phase = Phase::gemm;
  bool operator==(const Gemm&) const = default;
  ConstMat a, b;
  Mat c;
  bool ta = false, tb = false;
  float alpha = 1.0f, beta = 0.0f;
  void views(auto&& f) const { f("a", a), f("b", b), f("c", c); }
};

// out ← xᵀ x (n × n, full).
struct Gram {
  static constexpr const char* name = "gram";
  static constexpr Phase phase = Phase::gemm;
  bool operator==(const Gram&) const = default;
  ConstMat x;
  Mat out;
  void views(auto&& f) const { f("x", x), f("out", out); }
};

// out ← x xᵀ (v × v, full).
struct OuterGram {
  static constexpr const char* name = "outer_gram";
  static constexpr Phase phase = Phase::gemm;
  bool operator==(const OuterGram&) const = default;
  ConstMat x;
  Mat out;
  void views(auto&& f) const { f("x", x), f("out", out); }
};

// ---- memory ----------------------------------------------------------------------------------------
struct Upload {  // host memory must stay valid until the stream has passed this op
  static constexpr const char* name = "upload";
  static constexpr Phase phase = Phase::copy;
  bool operator==(const Upload&) const = default;
  const std::byte* host = nullptr;
  Bytes out;
  void views(auto&& f) const { f("out", out); }
};
struct Download {
  static constexpr const char* name = "download";
  static constexpr Phase phase = Phase::copy;
  bool operator==(const Download&) const = default;
  ConstBytes in;
  std::byte* host = nullptr;
  void views(auto&& f) const { f("in", in); }
};
struct Copy {
  static constexpr const char* name = "copy";
  static constexpr Phase phase = Phase::copy;
  bool operator==(const Copy&) const = default;
  ConstBytes in;
  Bytes out;
  void views(auto&& f) const { f("in", in), f("out", out); }
};
struct Zero {
  static constexpr const char* name = "zero";
  static constexpr Phase phase = Phase::copy;
  bool operator==(const Zero&) const = default;
  Bytes out;
  void views(auto&& f) const { f("out", out); }
};
struct Tick {  // iteration ← iteration + 1
  static constexpr const char* name = "tick";
  static constexpr Phase phase = Phase::elementwise;
  bool operator==(const Tick&) const = default;
  MatView<std::uint32_t> iteration;
  void views(auto&& f) const { f("iteration", iteration); }
};

// ---- shared by the methods ------------------------------------------------------------------------
// z ← z + b (z holds p Wᵀ on entry); y ← f(z) unless y is empty. In place: z ← f(z + b), y is empty.
struct Forward {
  static constexpr const char* name = "forward";
  static constexpr Phase phase = Phase::elementwise;
  bool operator==(const Forward&) const = default;
  ConstMat b;
  Mat z, y;
  ActivationRule f;
  bool in_place = false;
  void views(auto&& v) const { v("b", b), v("z", z), v("y", y); }
};

// out ← Σ a b (a and b may be the same).
struct Dot {
  static constexpr const char* name = "dot";
  static constexpr Phase phase = Phase::elementwise;
  bool operator==(const Dot&) const = default;
  ConstMat a, b;
  Scalar out;
  void views(auto&& f) const { f("a", a), f("b", b), f("out", out); }
};

// out ← Σ (a − b)².
struct Distance2 {
  static constexpr const char* name = "distance2";
  static constexpr Phase phase = Phase::elementwise;
  bool operator==(const Distance2&) const = default;
  ConstMat a, b;
  Scalar out;
  void views(auto&& f) const { f("a", a), f("b", b), f("out", out); }
};

// count ← the number of rows whose best class (argmax.hpp) is their label.
struct Correct {
  static constexpr const char* name = "correct";
  static constexpr Phase phase = Phase::elementwise;
  bool operator==(const Correct&) const = default;
  ConstMat scores;
  Labels labels;
  Scalar count;
  void views(auto&& f) const { f("scores", scores), f("labels", labels), f("count", count); }
};

// The receiver's half of a p message: p ← x̂.
struct PReceive {
  static constexpr const char* name = "p_receive";
  static constexpr Phase phase = Phase::codec;
  bool operator==(const PReceive&) const = default;
  ConstBytes message;
  Mat p;
  WireFormat format;
  void views(auto&& f) const { f("message", message), f("p", p); }
};

// The receiver's half of a q message: q ← x̂, then u ← u + ρ (p − q), the same bits as the sender's.
struct QReceive {
  static constexpr const char* name = "q_receive";
  static constexpr Phase phase = Phase::codec;
  bool operator==(const QReceive&) const = default;
  ConstBytes message;
  ConstMat p;
  Mat q, u;
  WireFormat format;
  float rho = 0;
  void views(auto&& f) const { f("message", message), f("p", p), f("q", q), f("u", u); }
};

// ---- the gradient update (algorithm.md §3) ---------------------------------------------------------
// g ← g + u + ρ (p − q) (g holds ν rᵀ-side of the gradient, ν r W, on entry); norm2 ← ||g||².
struct PGradient {
  static constexpr const char* name = "p_gradient";
  static constexpr Phase phase = Phase::elementwise;
  bool operator==(const PGradient&) const = default;
  Mat g;
  ConstMat u, p, q;
  float rho = 0;
  Scalar norm2;
  void views(auto&& f) const { f("g", g), f("u", u), f("p", p), f("q", q), f("norm2", norm2); }
};

// y ← y − x/τ with τ from `step`; tau ← τ unless empty.
struct Descent {
  static constexpr const char* name = "descent";
  static constexpr Phase phase = Phase::elementwise;
  bool operator==(const Descent&) const = default;
  StepSize step;
  ConstMat x;
  Mat y;
  Scalar tau;
  void views(auto&& f) const {
    f("gradient2", step.gradient2), f("image2", step.image2), f("x", x), f("y", y), f("tau", tau);
  }
};

// The projected p step at the lagged τ: g ← g + u + ρ (p − q) unless u is empty (g is then the whole gradient);
// x = p − g/τ, p ← x̂, g ← the change of p, norm2 ← ||change||².
struct PProject {
  static constexpr const char* name = "p_project";
  static constexpr Phase phase = Phase::elementwise;
  bool operator==(const PProject&) const = default;
  Mat p, g;
  ConstMat u, q;
  float rho = 0;
  ConstScalar tau;
  Quantize quantize;
  Scalar norm2;
  void views(auto&& f) const {
    f("p", p), f("g", g), f("u", u), f("q", q), f("tau", tau), f("feedback", quantize.feedback),
        f("scales", quantize.scales);
    f("message", quantize.message), f("iteration", quantize.iteration), f("norm2", norm2);
  }
};

// r ← r + d (d = W Δ, the image of the change of p); norm2 ← ||d||².
struct ResidualAdd {
  static constexpr const char* name = "residual_add";
  static constexpr Phase phase = Phase::elementwise;
  bool operator==(const ResidualAdd&) const = default;
  ConstMat d;
  Mat r;
  Scalar norm2;
  void views(auto&& f) const { f("d", d), f("r", r), f("norm2", norm2); }
};

// τ ← max(Q, floor·τ), Q = (ν·image2 + c·change2)/change2 the curvature along the last change;
// unchanged when nothing moved. floor 0 takes Q itself.
struct TauUpdate {
  static constexpr const char* name = "tau_update";
  static constexpr Phase phase = Phase::elementwise;
  bool operator==(const TauUpdate&) const = default;
  ConstScalar change2, image2;
  Scalar tau;
  double nu = 0, c = 0, floor = 0;
  void views(auto&& f) const { f("change2", change2), f("image2", image2), f("tau", tau); }
};

// g ← g + μ W; norm2 ← ||g||².
struct WGradient {
  static constexpr const char* name = "w_gradient";
  static constexpr Phase phase = Phase::elementwise;
  bool operator==(const WGradient&) const = default;
  ConstMat w;
  Mat g;
  float mu = 0;
  Scalar norm2;
  void views(auto&& f) const { f("w", w), f("g", g), f("norm2", norm2); }
};

// r ← r − d/θ; mean ← column means of the new r; b ← b − mean. r's mean is taken off by the z-step.
struct ResidualBias {
  static constexpr const char* name = "residual_bias";
  static constexpr Phase phase = Phase::elementwise;
  bool operator==(const ResidualBias&) const = default;
  StepSize step;
  ConstMat d;
  Mat r, mean, b;
  void views(auto&& f) const {
    f("gradient2", step.gradient2), f("image2", step.image2), f("d", d), f("r", r), f("mean", mean), f("b", b);
  }
};

// Hidden z-step: a = z + r − mean; z ← prox; r ← a − z; linear2 ← ||r||².
struct ZStep {
  static constexpr const char* name = "z_step";
  static constexpr Phase phase = Phase::elementwise;
  bool operator==(const ZStep&) const = default;
  Mat r, z;
  ConstMat mean, q;
  ActivationRule f;
  Scalar linear2;
  void views(auto&& v) const { v("r", r), v("z", z), v("mean", mean), v("q", q), v("linear2", linear2); }
};

// Last layer: a = z + r − mean; z ← softmax prox; r ← a − z; risk ← Σ cross-entropy; linear2 ← ||r||².
struct SoftmaxStep {
  static constexpr const char* name = "softmax_step";
  static constexpr Phase phase = Phase::elementwise;
  bool operator==(const SoftmaxStep&) const = default;
  Mat r, z;
  ConstMat mean;
  Labels labels;
  float nu = 0;
  Scalar risk, linear2;
  void views(auto&& f) const {
    f("r", r), f("z", z), f("mean", mean), f("labels", labels), f("risk", risk), f("linear2", linear2);
  }
};

// q and dual step, with quantisation: q ← x̂ of the target; u ← u + ρ (p − q). Sums for the objective:
// sums[0] = ||q − f(z)||², [1] = <u, p − q>, [2] = ||p − q||², [3] = ||q||² (1 × 4).
struct QDual {
  static constexpr const char* name = "q_dual";
  static constexpr Phase phase = Phase::elementwise;
  bool operator==(const QDual&) const = default;
  ConstMat p, z;
  Mat q, u;
  ActivationRule f;
  float rho = 0, nu2 = 0;
  Quantize quantize;
  MatView<double> sums;
  void views(auto&& v) const {
    v("p", p), v("z", z), v("q", q), v("u", u), v("feedback", quantize.feedback), v("scales", quantize.scales);
    v("message", quantize.message), v("iteration", quantize.iteration), v("sums", sums);
  }
};

// ---- the exact update (algorithm.md §9) ------------------------------------------------------------
// k2 ← M⁻¹ (n × n), k1 ← ν W M⁻¹ (m × n) with M = ν WᵀW + ρ I, by Cholesky.
struct POperators {
  static constexpr const char* name = "p_operators";
  static constexpr Phase phase = Phase::factor;
  bool operator==(const POperators&) const = default;
  ConstMat w;
  Mat k1, k2;
  float nu = 0, rho = 0;
  void views(auto&& f) const { f("w", w), f("k1", k1), f("k2", k2); }
};

// x1 ← t − b (V × m), x2 ← ρ q − u (V × n): the minimising p is x1 k1 + x2 k2.
struct PInputs {
  static constexpr const char* name = "p_inputs";
  static constexpr Phase phase = Phase::elementwise;
  bool operator==(const PInputs&) const = default;
  ConstMat t, b, q, u;
  Mat x1, x2;
  float rho = 0;
  void views(auto&& f) const { f("t", t), f("b", b), f("q", q), f("u", u), f("x1", x1), f("x2", x2); }
};

// p ← x̂ of x.
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

// mean ← column means of x.
struct ColumnMean {
  static constexpr const char* name = "column_mean";
  static constexpr Phase phase = Phase::elementwise;
  bool operator==(const ColumnMean&) const = default;
  ConstMat x;
  Mat mean;
  void views(auto&& f) const { f("x", x), f("mean", mean); }
};

// factor ← Cholesky factor of ν (G − V p̄ p̄ᵀ) + (θ + λ' + μ) I (lower triangle), G = PᵀP given in `factor`
// on entry; g = trace(G)/n, θ = κνg and λ' = λνg; ridge ← (θ, λ'), 1 × 2.
struct WFactor {
  static constexpr const char* name = "w_factor";
  static constexpr Phase phase = Phase::factor;
  bool operator==(const WFactor&) const = default;
  Mat factor;
  ConstMat p_mean;
  MatView<double> ridge;
  std::int64_t nodes = 0;
  double nu = 0, kappa = 0, lambda = 0, mu = 0;
  void views(auto&& f) const { f("factor", factor), f("p_mean", p_mean), f("ridge", ridge); }
};

// The joint minimiser in W and b, given C = TᵀP in `rhs` (overwritten), the factor and the column means:
// W ← (ν (C − V t̄ p̄ᵀ) + θ W + λ' I) M⁻¹, b ← t̄ − W p̄. The bias is free: centring eliminates it exactly.
struct WSolve {
  static constexpr const char* name = "w_solve";
  static constexpr Phase phase = Phase::factor;
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

// With fewer nodes than inputs (V < n) the same minimiser by a V × V factor, from the centred inputs X₀ = P − 1 p̄:
//   W ← W̄ + ν (T − t̄ − X₀ W̄ᵀ)ᵀ M⁻¹ X₀,  W̄ = (θ W + λ' I)/(θ + λ' + μ),  M = ν K + (θ + λ' + μ) I,  K = X₀X₀ᵀ.
// factor ← Cholesky factor of M, K given in `factor` on entry; θ, λ' and ridge as WFactor, whose trace(G) is
// trace(K) + V ||p̄||².
struct KernelFactor {
  static constexpr const char* name = "kernel_factor";
  static constexpr Phase phase = Phase::factor;
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

// w ← W̄ above.
struct WAnchor {
  static constexpr const char* name = "w_anchor";
  static constexpr Phase phase = Phase::elementwise;
  bool operator==(const WAnchor&) const = default;
  Mat w;
  MatView<const double> ridge;
  double mu = 0;
  void views(auto&& f) const { f("w", w), f("ridge", ridge); }
};

// x ← M⁻¹ x (V × m) by the Cholesky factor of M.
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

// Layer 1, whose inputs never change, in the coordinates W = cᵀ X₀, with a = K c carried along (V × m each), λ' = 0,
// d = θ/(θ+μ):
// s = factor⁻¹ (t − t̄ − d a);  c ← d c + ν s;  a ← t − t̄ − (θ+μ) s;  b ← t̄. (Because K s = (e − (θ+μ) s)/ν.)
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

// Hidden layers: A = a + b + v; z, then q minimised jointly; v ← β (A − z); t ← z − v;
// q ← x̂ of (ρ p + u + ν2 f(z))/(ρ + ν2); u ← u + ρ (p − q). linear2 ← ||z − a − b||²; sums as QDual's.
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

// Last layer: A = a + b + v; z ← softmax prox around A; v ← β (A − z); t ← z − v.
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

// ---- backpropagation -------------------------------------------------------------------------------
// The gradient of the cross-entropy of each node: g ← softmax(z) − e_label. risk ← Σ cross-entropy, or risk + Σ where
// `add` says so.
struct SoftmaxGradient {
  static constexpr const char* name = "softmax_gradient";
  static constexpr Phase phase = Phase::elementwise;
  bool operator==(const SoftmaxGradient&) const = default;
  ConstMat z;
  Mat g;
  Labels labels;
  Scalar risk;
  bool add = false;
  void views(auto&& f) const { f("z", z), f("g", g), f("labels", labels), f("risk", risk); }
};

// g ← g f'(z), from y = f(z).
struct ActivationGradient {
  static constexpr const char* name = "activation_gradient";
  static constexpr Phase phase = Phase::elementwise;
  bool operator==(const ActivationGradient&) const = default;
  ConstMat y;
  Mat g;
  ActivationRule f;
  void views(auto&& v) const { v("y", y), v("g", g); }
};

// w by one step along its gradient g; `first` and `second` are what the rule keeps of each weight (optimizer.hpp; empty
// where it keeps nothing). `iteration`: the steps done so far.
struct OptimizerStep {
  static constexpr const char* name = "optimizer_step";
  static constexpr Phase phase = Phase::elementwise;
  bool operator==(const OptimizerStep&) const = default;
  OptimizerRule rule;
  ConstMat g;
  Mat w, first, second;
  MatView<const std::uint32_t> iteration;
  void views(auto&& f) const {
    f("g", g), f("w", w), f("first", first), f("second", second), f("iteration", iteration);
  }
};

}  // namespace ops

using OpVariant =
    std::variant<ops::Gemm, ops::Gram, ops::OuterGram, ops::Upload, ops::Download, ops::Copy, ops::Zero, ops::Tick,
                 ops::Forward, ops::Dot, ops::Distance2, ops::Correct, ops::PReceive, ops::QReceive, ops::PGradient,
                 ops::Descent, ops::PProject, ops::ResidualAdd, ops::TauUpdate, ops::WGradient, ops::ResidualBias,
                 ops::ZStep, ops::SoftmaxStep, ops::QDual, ops::POperators, ops::PInputs, ops::PTarget, ops::ColumnMean,
                 ops::WFactor, ops::WSolve, ops::KernelFactor, ops::Centre, ops::WAnchor, ops::FactorSolve,
                 ops::BiasOfMeans, ops::KernelSolve, ops::ZqExact, ops::SoftmaxExact, ops::SoftmaxGradient,
                 ops::ActivationGradient, ops::OptimizerStep>;

struct Op : OpVariant {
  using OpVariant::OpVariant;
  const OpVariant& variant() const { return *this; }
  bool operator==(const Op& other) const { return variant() == other.variant(); }
};

inline Phase phase_of(const Op& op) {
  return std::visit([](const auto& o) { return o.phase; }, op.variant());
}
inline const char* name_of(const Op& op) {
  return std::visit([](const auto& o) { return o.name; }, op.variant());
}

}  // namespace gamlp
