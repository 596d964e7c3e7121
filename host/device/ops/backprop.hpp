// The ops of backpropagation and of the optimisers.
#pragma once

#include "host/device/ops/base.hpp"
#include "host/math/activation.hpp"
#include "host/math/optimizer.hpp"

namespace gamlp::ops {

// The gradient of the cross-entropy of each node: g ← softmax(z) − e_label. risk ← Σ cross-entropy, or, where `add` is
// true, risk ← risk + Σ cross-entropy.
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

// g ← g f'(z). The op computes f'(z) from y = f(z).
struct ActivationGradient {
  static constexpr const char* name = "activation_gradient";
  static constexpr Phase phase = Phase::elementwise;
  bool operator==(const ActivationGradient&) const = default;
  ConstMat y;
  Mat g;
  ActivationRule f;
  void views(auto&& v) const { v("y", y), v("g", g); }
};

// Changes w by one step along its gradient g. `first` and `second` hold what the rule keeps of each weight
// (host/math/optimizer.hpp). They are empty where it keeps nothing. `iteration` counts the steps done so far.
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

// Every op of this file.
// clang-format off
#define GAMLP_BACKPROP_OPS(X) \
  X(SoftmaxGradient) X(ActivationGradient) X(OptimizerStep)
// clang-format on

}  // namespace gamlp::ops
