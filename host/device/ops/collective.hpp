// The ops of collectives (host/device/collectives.hpp): they make one tensor of the partial ones that devices gave.
#pragma once

#include "host/core/sum_tree.hpp"
#include "host/device/ops/base.hpp"

namespace gamlp::ops {

// out ← the sum of the rows of `parts`, added up by `tree`, which has as many parts. `out` has a value for each column,
// or for the first ones.
struct SumParts {
  static constexpr const char* name = "sum_parts";
  static constexpr Phase phase = Phase::elementwise;
  bool operator==(const SumParts&) const = default;
  ConstMat parts;
  Mat out;
  SumTree tree;
  void views(auto&& f) const { f("parts", parts), f("out", out); }
};

// The same in double, for scalars.
struct SumScalars {
  static constexpr const char* name = "sum_scalars";
  static constexpr Phase phase = Phase::elementwise;
  bool operator==(const SumScalars&) const = default;
  MatView<const double> parts;
  MatView<double> out;
  SumTree tree;
  void views(auto&& f) const { f("parts", parts), f("out", out); }
};

// out ← the largest value of each column of `parts`, or of the first ones. NaN is larger than every number.
struct MaxParts {
  static constexpr const char* name = "max_parts";
  static constexpr Phase phase = Phase::elementwise;
  bool operator==(const MaxParts&) const = default;
  ConstMat parts;
  Mat out;
  void views(auto&& f) const { f("parts", parts), f("out", out); }
};

// y ← y + x, of one part after another.
struct Accumulate {
  static constexpr const char* name = "accumulate";
  static constexpr Phase phase = Phase::elementwise;
  bool operator==(const Accumulate&) const = default;
  ConstMat x;
  Mat y;
  void views(auto&& f) const { f("x", x), f("y", y); }
};

// Every op of this file.
// clang-format off
#define GAMLP_COLLECTIVE_OPS(X) \
  X(SumParts) X(SumScalars) X(MaxParts) X(Accumulate)
// clang-format on

}  // namespace gamlp::ops
