// What ops are made of. An op is plain data, named after the maths: its operands as views, its constants, a name, and
// the phase that its time is counted as. All ops keep these rules:
//   - Shapes. There are V nodes, and a layer has n inputs and m outputs. Matrices are row-major and contiguous with one
//     row per node. So p is V × n, z and r are V × m, and W is m × n. Vectors are 1 × m.
//   - Scalars. They live in device memory as double (Scalar, ConstScalar). No op returns anything to the host.
//   - Access. An op reads every view and writes only the mutable ones. views(f) names them all, and checkers, tracers
//     and cost models go by it. Views of one op never overlap unless its comment says so. Every view starts at a
//     multiple of 16 bytes.
//   - Sums. They are deterministic: their order depends on the shape alone.
//   - Equality. Equal ops do the same to the same memory.
//   - Solver. An op that calls the device's solver library (cuSOLVER), to factorise or to solve, says so (uses_solver).
//     Such ops share the memory of one handle per stream, so a device runs them one after the other.
#pragma once

#include <cstddef>
#include <cstdint>

#include "host/core/matrix.hpp"
#include "host/math/quantize.hpp"

namespace gamlp {

using Scalar = MatView<double>;  // 1 × 1
using ConstScalar = MatView<const double>;
using Bytes = MatView<std::byte>;
using ConstBytes = MatView<const std::byte>;
using Labels = MatView<const std::int32_t>;  // 1 × V

// The memory of a tensor, as messages and copies take it.
template <class T>
MatView<std::byte> as_bytes(MatView<T> m) {
  return {reinterpret_cast<std::byte*>(m.data), 1, m.size() * static_cast<std::int64_t>(sizeof(T))};
}
template <class T>
MatView<const std::byte> as_bytes(MatView<const T> m) {
  return {reinterpret_cast<const std::byte*>(m.data), 1, m.size() * static_cast<std::int64_t>(sizeof(T))};
}

// What the time of an op is counted as.
enum class Phase { gemm, factor, elementwise, codec, copy };
inline const char* phase_name(Phase phase) {
  constexpr const char* kNames[] = {"gemm", "factor", "elementwise", "codec", "copy"};
  return kNames[static_cast<std::size_t>(phase)];
}

// How an op quantises the tensor that it produces, and where the message goes.
struct Quantize {
  WireFormat format;
  Rounding rounding = Rounding::nearest;
  Mat feedback;                            // error feedback e (x ← x + e, e ← x − x̂); empty: none
  MatView<float> scales;                   // scratch for format.scale_floats() values
  Bytes message;                           // the packed message; empty when no other device wants it
  std::uint32_t key = 0;                   // of stochastic rounding: fixed per tensor
  MatView<const std::uint32_t> iteration;  // its counter in device memory, advanced by Tick
  std::int64_t first = 0;                  // the place of the first value here in its tensor, for stochastic rounding
  bool operator==(const Quantize&) const = default;
};

// The exact length of a step, 1/τ, from two squared norms: τ = (ν·image2 + c·gradient2)/gradient2 (inverse_step() of
// host/math/prox.hpp).
struct StepSize {
  ConstScalar gradient2, image2;
  double nu = 0, c = 0;
  bool operator==(const StepSize&) const = default;
};

}  // namespace gamlp
