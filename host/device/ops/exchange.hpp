// The ops of the receiver of a message of pdADMM-G. The sender's half is part of the op that computes the tensor
// (Quantize of base.hpp).
#pragma once

#include "host/device/ops/base.hpp"

namespace gamlp::ops {

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

// The receiver's half of a q message: q ← x̂, then u ← u + ρ (p − q). Both get the same bits as on the sender.
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

// Every op of this file.
// clang-format off
#define GAMLP_EXCHANGE_OPS(X) \
  X(PReceive) X(QReceive)
// clang-format on

}  // namespace gamlp::ops
