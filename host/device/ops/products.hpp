// The ops that are products of matrices.
#pragma once

#include "host/device/ops/base.hpp"

namespace gamlp::ops {

// c ← alpha · op(a) op(b) + beta · c, row-major. op transposes a where ta is true, and b where tb is.
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

// out ← xᵀ x (n × n, both triangles).
struct Gram {
  static constexpr const char* name = "gram";
  static constexpr Phase phase = Phase::gemm;
  bool operator==(const Gram&) const = default;
  ConstMat x;
  Mat out;
  void views(auto&& f) const { f("x", x), f("out", out); }
};

// out ← x xᵀ (v × v, both triangles).
struct OuterGram {
  static constexpr const char* name = "outer_gram";
  static constexpr Phase phase = Phase::gemm;
  bool operator==(const OuterGram&) const = default;
  ConstMat x;
  Mat out;
  void views(auto&& f) const { f("x", x), f("out", out); }
};

// Every op of this file.
// clang-format off
#define GAMLP_PRODUCTS_OPS(X) \
  X(Gemm) X(Gram) X(OuterGram)
// clang-format on

}  // namespace gamlp::ops
