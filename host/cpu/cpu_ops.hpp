// The ops on a CPU worker. There is one function per op (host/device/ops/list.hpp), which the worker's thread calls.
// The functions are fused loops over contiguous memory, which the compiler vectorises. The rules per element are those
// of host/math.
#pragma once

#include <functional>
#include <span>

#include "host/core/matrix.hpp"
#include "host/device/ops/list.hpp"

namespace gamlp::cpu {

// The memory of one worker for column sums and the like. It grows on first use and is then reused.
class Scratch {
 public:
  std::span<float> floats(std::size_t n) {
    if (floats_.size() < n) floats_.resize(n);
    return {floats_.data(), n};
  }
  std::span<double> doubles(std::size_t n) {
    if (doubles_.size() < n) doubles_.resize(n);
    return {doubles_.data(), n};
  }

 private:
  AlignedVector<float> floats_;
  AlignedVector<double> doubles_;
};

#define GAMLP_RUN(name) void run(const ops::name&, Scratch&);
GAMLP_OPS(GAMLP_RUN)
#undef GAMLP_RUN

}  // namespace gamlp::cpu
