// What a kernel launch needs besides its arguments: a stream, and the stream's own scratch memory. Includes no CUDA
// header, so that ops (cuda/kernels/ops.hpp) can be named without one.
#pragma once

#include <cstddef>
#include <cstdint>

struct CUstream_st;

namespace gamlp::cuda {

class Linalg;

using Index = std::int64_t;

// Bounds of the scratch memory: a grid that leaves partial sums has no more blocks than this, no more sums per block,
// and no more (row chunk, column) pairs.
inline constexpr unsigned kMaxBlocks = 2048;
inline constexpr int kMaxSums = 6;
inline constexpr Index kMaxColumnSums = Index{1} << 20;
inline constexpr unsigned kMaxTickets = 4096;

// Device memory in which the blocks of one kernel leave sums for its last block. Used by one kernel at a time: streams
// that run kernels beside each other have one each.
struct Partials {
  double* sums = nullptr;       // kMaxBlocks × kMaxSums, or kMaxColumnSums
  unsigned* arrived = nullptr;  // kMaxTickets counters, 0 between kernels
};

struct Queue {
  CUstream_st* stream = nullptr;
  Partials partials;
  std::int32_t* info = nullptr;  // device: what a factorisation said, 0 when all is well
  Linalg* linalg = nullptr;

  static constexpr std::size_t sums_bytes() {
    constexpr std::size_t kFlat = std::size_t{kMaxBlocks} * kMaxSums, kColumns = std::size_t{kMaxColumnSums};
    return (kFlat > kColumns ? kFlat : kColumns) * sizeof(double);
  }
  // Of all of the scratch memory; zero before the first kernel.
  static constexpr std::size_t scratch_bytes() { return sums_bytes() + (kMaxTickets + 16) * sizeof(std::uint32_t); }
  void use_scratch(std::byte* memory) {
    partials.sums = reinterpret_cast<double*>(memory);
    partials.arrived = reinterpret_cast<unsigned*>(memory + sums_bytes());
    info = reinterpret_cast<std::int32_t*>(memory + sums_bytes() + kMaxTickets * sizeof(std::uint32_t));
  }
};

}  // namespace gamlp::cuda
