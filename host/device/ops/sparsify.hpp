// The ops of gradients that are sent in part: the largest values of each block (host/math/largest.hpp), or products
// with a few orthonormal columns (PowerSGD).
#pragma once

#include "host/device/ops/base.hpp"
#include "host/math/largest.hpp"

namespace gamlp::ops {

// Some blocks of a row, and how many values of each a message has. In the message lie the values (float32) of all
// blocks, then their places within their blocks (16 bits each). Within a block they are in the order of the row.
struct ChosenBlocks {
  // Of each block: its first value, its length, how many of these are values (the others are padding, which stays 0),
  // how many are chosen, and how many are chosen in the blocks before it. A length is a multiple of 4.
  static constexpr int kColumns = 5;
  static constexpr std::int64_t kMost = 4096;
  MatView<const std::int32_t> table;
  std::int64_t longest = kMost;  // no block is longer
  std::int64_t chosen = 0;       // of all blocks
  bool operator==(const ChosenBlocks&) const = default;

  // Where places begin in a message, and how long it is, in bytes.
  std::int64_t places() const { return (4 * chosen + 15) / 16 * 16; }
  std::int64_t bytes() const { return places() + (2 * chosen + 15) / 16 * 16; }
};

// With s = gradient + error: message ← the largest values of s in each block, error ← the others, and 0 for those.
// Without an error, s = gradient.
struct ChooseLargest {
  static constexpr const char* name = "choose_largest";
  static constexpr Phase phase = Phase::codec;
  bool operator==(const ChooseLargest&) const = default;
  ConstMat gradient;
  Mat error;
  ChosenBlocks at;
  Bytes message;
  void views(auto&& f) const {
    f("gradient", gradient), f("error", error), f("blocks", at.table), f("message", message);
  }
};

// out ← the sum of what the messages say, one per row, in the order of the rows. What none of them names is 0.
struct SumChosen {
  static constexpr const char* name = "sum_chosen";
  static constexpr Phase phase = Phase::codec;
  bool operator==(const SumChosen&) const = default;
  ConstBytes messages;
  Mat out;
  ChosenBlocks at;
  void views(auto&& f) const { f("messages", messages), f("out", out), f("blocks", at.table); }
};

// The columns of x become orthonormal, one after the other: what lies along those before it leaves a column (twice),
// and it gets length 1. A column that depends on those before it is replaced by one that does not: of random signs.
// There are fewer columns than rows. NaN stays.
struct Orthogonalize {
  static constexpr const char* name = "orthogonalize";
  static constexpr Phase phase = Phase::factor;
  static constexpr double kDependent = 1e-10;  // share of its squared length that is left of such a column, at most
  bool operator==(const Orthogonalize&) const = default;
  Mat x;
  void views(auto&& f) const { f("x", x); }
};

// Every op of this file.
// clang-format off
#define GAMLP_SPARSIFY_OPS(X) \
  X(ChooseLargest) X(SumChosen) X(Orthogonalize)
// clang-format on

}  // namespace gamlp::ops
