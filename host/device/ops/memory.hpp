// The ops on memory: copies to, from and on a device, and the counter of iterations.
#pragma once

#include "host/device/ops/base.hpp"

namespace gamlp::ops {

// The host memory must stay valid until the stream has passed this op.
struct Upload {
  static constexpr const char* name = "upload";
  static constexpr Phase phase = Phase::copy;
  bool operator==(const Upload&) const = default;
  const std::byte* host = nullptr;
  Bytes out;
  void views(auto&& f) const { f("out", out); }
};
struct Download {
  static constexpr const char* name = "download";
  static constexpr Phase phase = Phase::copy;
  bool operator==(const Download&) const = default;
  ConstBytes in;
  std::byte* host = nullptr;
  void views(auto&& f) const { f("in", in); }
};
struct Copy {
  static constexpr const char* name = "copy";
  static constexpr Phase phase = Phase::copy;
  bool operator==(const Copy&) const = default;
  ConstBytes in;
  Bytes out;
  void views(auto&& f) const { f("in", in), f("out", out); }
};
struct Zero {
  static constexpr const char* name = "zero";
  static constexpr Phase phase = Phase::copy;
  bool operator==(const Zero&) const = default;
  Bytes out;
  void views(auto&& f) const { f("out", out); }
};
struct Tick {  // iteration ← iteration + 1
  static constexpr const char* name = "tick";
  static constexpr Phase phase = Phase::elementwise;
  bool operator==(const Tick&) const = default;
  MatView<std::uint32_t> iteration;
  void views(auto&& f) const { f("iteration", iteration); }
};
// hash ← hash + the hash of x (host/math/hash.hpp): its lower half, then the upper one. `key`: of the
// tensor.
struct AddHash {
  static constexpr const char* name = "add_hash";
  static constexpr Phase phase = Phase::elementwise;
  bool operator==(const AddHash&) const = default;
  ConstMat x;
  MatView<std::uint32_t> hash;  // 1 × 2
  std::uint32_t key = 0;
  void views(auto&& f) const { f("x", x), f("hash", hash); }
};

// Every op of this file.
// clang-format off
#define GAMLP_MEMORY_OPS(X) \
  X(Upload) X(Download) X(Copy) X(Zero) X(Tick) X(AddHash)
// clang-format on

}  // namespace gamlp::ops
