// The ops of compressed momentum (host/math/compress.hpp). They work on rows of values that are divided in blocks. The
// blocks of a row have a table in device memory, which says where their codes lie in a message.
#pragma once

#include "host/device/ops/base.hpp"
#include "host/math/compress.hpp"

namespace gamlp::ops {

// Some blocks of a row, and how they lie in a message: each has a scale (float32), then come the codes.
struct CompressBlocks {
  // Of each block: its first value, its length, how many of these are values (the others are padding, which stays 0),
  // the place of its scale in the message (in float32 values), and that of its codes (in units of 16 bytes). A length
  // is a multiple of kUnit, with 32 bits of 4, and at most kMost.
  static constexpr int kColumns = 5;
  static constexpr std::int64_t kUnit = 128, kMost = 4096;
  MatView<const std::int32_t> table;
  int bits = 32;                 // 1, 4, 8, 16 or 32
  std::int64_t longest = kMost;  // no block is longer
  std::int64_t first_value = 0;  // of the row: where tensors of values begin
  std::int64_t first_byte = 0;   // of the whole message: where the part that an op has begins, a multiple of 16
  bool operator==(const CompressBlocks&) const = default;
};

// The worker's half. With s = keep · momentum + take · gradient + error: message ← C(s), error ← s − C(s). Where
// momentum or error is empty, there is none.
struct CompressMomentum {
  static constexpr const char* name = "compress_momentum";
  static constexpr Phase phase = Phase::codec;
  bool operator==(const CompressMomentum&) const = default;
  ConstMat momentum, gradient;
  Mat error;
  CompressBlocks at;
  Bytes message;
  float keep = 0, take = 0;
  void views(auto&& f) const {
    f("momentum", momentum), f("gradient", gradient), f("error", error), f("blocks", at.table), f("message", message);
  }
};

// The server's half, for the blocks that a member serves. `received` has a message of each member, and `own` that of
// this one, number `member`, whose place in `received` is not used. With s = their mean + error: message ← C(s),
// error ← s − C(s). The mean adds them up in the order of the members.
struct CompressMean {
  static constexpr const char* name = "compress_mean";
  static constexpr Phase phase = Phase::codec;
  bool operator==(const CompressMean&) const = default;
  ConstBytes own, received;  // received: a row for each member
  Mat error;
  CompressBlocks at;
  Bytes message;
  int member = 0;
  void views(auto&& f) const {
    f("own", own), f("received", received), f("error", error), f("blocks", at.table), f("message", message);
  }
};

// Every worker's half: momentum ← what the message says, and w by a step along it (MomentumStep).
struct MomentumUpdate {
  static constexpr const char* name = "momentum_update";
  static constexpr Phase phase = Phase::codec;
  bool operator==(const MomentumUpdate&) const = default;
  ConstBytes message;
  Mat momentum, w;
  ConstMat square;
  CompressBlocks at;
  MomentumRule rule;
  MatView<const std::uint32_t> iteration;
  MatView<const double> rates = {};
  void views(auto&& f) const {
    f("message", message), f("momentum", momentum), f("w", w), f("square", square), f("blocks", at.table);
    f("iteration", iteration), f("rates", rates);
  }
};

// out ← what the message says.
struct ExpandRow {
  static constexpr const char* name = "expand_row";
  static constexpr Phase phase = Phase::codec;
  bool operator==(const ExpandRow&) const = default;
  ConstBytes message;
  Mat out;
  CompressBlocks at;
  void views(auto&& f) const { f("message", message), f("out", out), f("blocks", at.table); }
};

// root ← the mean of the square roots of `square`. Then no value of `square` is below (floor · root)².
struct FloorSquare {
  static constexpr const char* name = "floor_square";
  static constexpr Phase phase = Phase::elementwise;
  bool operator==(const FloorSquare&) const = default;
  Mat square;
  Scalar root;
  double floor = 0;
  void views(auto&& f) const { f("square", square), f("root", root); }
};

// Every op of this file.
// clang-format off
#define GAMLP_COMPRESS_OPS(X) \
  X(CompressMomentum) X(CompressMean) X(MomentumUpdate) X(ExpandRow) X(FloorSquare)
// clang-format on

}  // namespace gamlp::ops
