// The ops of the gradient update of pdADMM-G (docs/algorithm.md §3), and those that both updates share.
#pragma once

#include "host/device/ops/base.hpp"
#include "host/math/activation.hpp"

namespace gamlp::ops {

// g ← g + u + ρ (p − q); norm2 ← ||g||². On entry g holds ν r W, the part of the gradient that comes from r.
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

// y ← y − x/τ, where τ is that of `step`. tau ← τ unless `tau` is empty.
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

// The projected p step, with the lagged τ of TauUpdate. g ← g + u + ρ (p − q), unless u is empty, where g already is
// the whole gradient. Then x = p − g/τ; p ← x̂; g ← the change of p; norm2 ← ||change||².
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

// r ← r + d, where d = W Δ is the image of the change of p; norm2 ← ||d||².
struct ResidualAdd {
  static constexpr const char* name = "residual_add";
  static constexpr Phase phase = Phase::elementwise;
  bool operator==(const ResidualAdd&) const = default;
  ConstMat d;
  Mat r;
  Scalar norm2;
  void views(auto&& f) const { f("d", d), f("r", r), f("norm2", norm2); }
};

// τ ← max(Q, floor·τ), where Q = (ν·image2 + c·change2)/change2 is the curvature along the last change. τ stays when
// nothing moved. With floor = 0, τ becomes Q itself.
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

// r ← r − d/θ, where θ is that of `step`; mean ← the column means of the new r; b ← b − mean. The z-step later
// subtracts the mean from r. Where r has a block of the nodes, `sums` gets its column sums instead; mean and b are
// empty, and BiasStep follows for all blocks.
struct ResidualBias {
  static constexpr const char* name = "residual_bias";
  static constexpr Phase phase = Phase::elementwise;
  bool operator==(const ResidualBias&) const = default;
  StepSize step;
  ConstMat d;
  Mat r, mean, b;
  MatView<double> sums = {};
  void views(auto&& f) const {
    f("gradient2", step.gradient2), f("image2", step.image2), f("d", d), f("r", r), f("mean", mean), f("b", b);
    f("sums", sums);
  }
};

// mean ← sums/nodes; b ← b − mean.
struct BiasStep {
  static constexpr const char* name = "bias_step";
  static constexpr Phase phase = Phase::elementwise;
  bool operator==(const BiasStep&) const = default;
  MatView<const double> sums;
  Mat mean, b;
  std::int64_t nodes = 0;
  void views(auto&& f) const { f("sums", sums), f("mean", mean), f("b", b); }
};

// The z-step of a hidden layer. With a = z + r − mean: z ← prox (host/math/prox.hpp); r ← a − z; linear2 ← ||r||².
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

// The z-step of the last layer. With a = z + r − mean: z ← softmax prox (host/math/softmax_prox.hpp); r ← a − z;
// risk ← Σ cross-entropy; linear2 ← ||r||².
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

// The q and dual step, with quantisation: q ← x̂ of the target (q_target() of host/math/prox.hpp); u ← u + ρ (p − q).
// `sums` (1 × 4) is for the objective: sums[0] = ||q − f(z)||², [1] = <u, p − q>, [2] = ||p − q||², [3] = ||q||².
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

// Every op of this file.
// clang-format off
#define GAMLP_GRADIENT_OPS(X) \
  X(PGradient) X(Descent) X(PProject) X(ResidualAdd) X(TauUpdate) X(WGradient) X(ResidualBias) \
  X(BiasStep) X(ZStep) X(SoftmaxStep) X(QDual)
// clang-format on

}  // namespace gamlp::ops
