// Every op of the seam on a device, against the CPU: sentinels round every tensor, NaN in what is only written, const
// views unchanged, and the results within a bound stated for each output (arena.hpp). Elementwise results have the same
// bits; what sums in another order has a bound that follows from float32.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "tests/conformance/arena.hpp"

namespace gamlp::conformance {

struct Case {
  std::string op, what;  // "q_dual", "17 x 9 tanh 4 bits difference block 64 stochastic"
  std::function<Op(Arena&)> build;
};

struct Sizes {
  bool large = false;  // also shapes for which a kernel's grid takes several turns
  // Error of a product relative to float32's: 1 for float32, 2^13 for TF32, 2^16 for BF16 inputs.
  double product_eps = 1.0;
};

std::vector<Case> all_cases(const Sizes& sizes);

struct Result {
  std::string op, what;
  bool passed = true;
  std::string failure;  // of the first tensor that is wrong
  double worst = 0.0;   // the largest error as a share of its bound
  std::string worst_tensor;
};

// Runs one case on the CPU and on `device`. `host_memory`: see Arena.
Result compare(const Case& one, std::uint64_t seed, Device& device, Stream& stream, bool host_memory);

}  // namespace gamlp::conformance
