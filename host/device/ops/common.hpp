// The ops that several methods use: the forward pass, sums, and counts of right answers.
#pragma once

#include "host/device/ops/base.hpp"
#include "host/math/activation.hpp"

namespace gamlp::ops {

// On entry z holds p Wᵀ. z ← z + b, then y ← f(z) unless y is empty. With in_place, z ← f(z + b), and y is empty.
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

// out ← Σ a b. a and b may be the same.
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

// count ← the number of rows whose best class (host/math/argmax.hpp) is their label.
struct Correct {
  static constexpr const char* name = "correct";
  static constexpr Phase phase = Phase::elementwise;
  bool operator==(const Correct&) const = default;
  ConstMat scores;
  Labels labels;
  Scalar count;
  void views(auto&& f) const { f("scores", scores), f("labels", labels), f("count", count); }
};

// Every op of this file.
// clang-format off
#define GAMLP_COMMON_OPS(X) \
  X(Forward) X(Dot) X(Distance2) X(Correct)
// clang-format on

}  // namespace gamlp::ops
