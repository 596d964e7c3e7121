// The ops of replicas of a network, which train side by side.
#pragma once

#include "host/device/ops/base.hpp"
#include "host/math/replicas.hpp"

namespace gamlp::ops {

// w ← w, pulled toward `first` by `first_share`, then toward `second` by `second_share` (pulled()). Where `second` is
// empty, there is no second pull.
struct Pull {
  static constexpr const char* name = "pull";
  static constexpr Phase phase = Phase::elementwise;
  bool operator==(const Pull&) const = default;
  Mat w;
  ConstMat first, second;
  float first_share = 0, second_share = 0;
  void views(auto&& f) const { f("w", w), f("first", first), f("second", second); }
};

// The outer step: w and anchor ← the anchor after it (OuterUpdate). `change`: the mean over the replicas of
// anchor − w. `iteration` counts the steps done before the last one, whose learning rate `rates` has.
struct OuterStep {
  static constexpr const char* name = "outer_step";
  static constexpr Phase phase = Phase::elementwise;
  bool operator==(const OuterStep&) const = default;
  ConstMat change;
  Mat momentum, anchor, w;
  OuterRule rule;
  MatView<const std::uint32_t> iteration;
  MatView<const double> rates = {};
  void views(auto&& f) const {
    f("change", change), f("momentum", momentum), f("anchor", anchor), f("w", w), f("iteration", iteration);
    f("rates", rates);
  }
};

// Every op of this file.
// clang-format off
#define GAMLP_REPLICA_OPS(X) \
  X(Pull) X(OuterStep)
// clang-format on

}  // namespace gamlp::ops
