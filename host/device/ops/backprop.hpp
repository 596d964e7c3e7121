// The ops of backpropagation and of the optimisers.
#pragma once

#include "host/device/ops/base.hpp"
#include "host/math/activation.hpp"
#include "host/math/optimizer.hpp"

namespace gamlp::ops {

// The gradient of the cross-entropy of each node: g ← softmax(z) − e_label. risk ← Σ cross-entropy.
struct SoftmaxGradient {
  static constexpr const char* name = "softmax_gradient";
  static constexpr Phase phase = Phase::elementwise;
  bool operator==(const SoftmaxGradient&) const = default;
  ConstMat z;
  Mat g;
  Labels labels;
  Scalar risk;
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

// out ← dropout of in (host/math/dropout.hpp). Where `in` is empty, it is that of out itself. Which values stay depends
// on `key`, on `iteration`, and on the place of each value in its tensor. `first` is the place of the first value here.
struct Dropout {
  static constexpr const char* name = "dropout";
  static constexpr Phase phase = Phase::elementwise;
  bool operator==(const Dropout&) const = default;
  ConstMat in;
  Mat out;
  MatView<const std::uint32_t> iteration;
  std::uint32_t key = 0;
  double rate = 0.0;
  std::int64_t first = 0;
  void views(auto&& f) const { f("in", in), f("out", out), f("iteration", iteration); }
};

// Changes w by one step along its gradient g. `first` and `second` hold what the rule keeps of each weight
// (host/math/optimizer.hpp). They are empty where it keeps nothing. `iteration` counts the steps done so far. `rates`
// has the learning rate of each step (rule_at()); where it is empty, the rule's own holds.
struct OptimizerStep {
  static constexpr const char* name = "optimizer_step";
  static constexpr Phase phase = Phase::elementwise;
  bool operator==(const OptimizerStep&) const = default;
  OptimizerRule rule;
  ConstMat g;
  Mat w, first, second;
  MatView<const std::uint32_t> iteration;
  MatView<const double> rates = {};
  void views(auto&& f) const {
    f("g", g), f("w", w), f("first", first), f("second", second), f("iteration", iteration), f("rates", rates);
  }
};

// Rows first … first + out.rows − 1 of a permutation of the rows of x, and of their labels. Each of x and labels may be
// empty. The permutation (host/math/permutation.hpp) is another one after every `steps` iterations.
struct GatherBatch {
  static constexpr const char* name = "gather_batch";
  static constexpr Phase phase = Phase::elementwise;
  bool operator==(const GatherBatch&) const = default;
  ConstMat x;
  Mat out;
  Labels labels;
  MatView<std::int32_t> chosen;
  MatView<const std::uint32_t> iteration;
  std::uint32_t key = 0;
  std::int64_t steps = 1, first = 0;
  std::int64_t rows() const { return x.data != nullptr ? x.rows : labels.cols; }  // of which rows are taken
  std::int64_t count() const { return x.data != nullptr ? out.rows : chosen.cols; }
  void views(auto&& f) const {
    f("x", x), f("out", out), f("labels", labels), f("chosen", chosen), f("iteration", iteration);
  }
};

// y ← y + x, in double.
struct AddScalars {
  static constexpr const char* name = "add_scalars";
  static constexpr Phase phase = Phase::elementwise;
  bool operator==(const AddScalars&) const = default;
  MatView<const double> x;
  MatView<double> y;
  void views(auto&& f) const { f("x", x), f("y", y); }
};

// Every op of this file.
// clang-format off
#define GAMLP_BACKPROP_OPS(X) \
  X(SoftmaxGradient) X(ActivationGradient) X(Dropout) X(OptimizerStep) X(GatherBatch) X(AddScalars)
// clang-format on

}  // namespace gamlp::ops
