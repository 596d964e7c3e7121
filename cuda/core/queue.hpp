// What a kernel launch needs besides its arguments: a stream, and the stream's own scratch memory. This header includes
// no CUDA header, so that sources without one can name the ops (cuda/kernels/ops.hpp).
#pragma once

#include <cstddef>
#include <cstdint>

struct CUstream_st;

namespace gamlp::cuda {

class Linalg;

using Index = std::int64_t;

// Bounds of the scratch memory. A grid that leaves partial sums has no more blocks than this, no more sums per block,
// and no more (row chunk, column) pairs.
inline constexpr unsigned kMaxBlocks = 2048;
inline constexpr int kMaxSums = 6;
inline constexpr Index kMaxColumnSums = Index{1} << 20;
inline constexpr unsigned kMaxTickets = 4096;
// Ops on small tensors run in branches beside each other, each with a share of the scratch memory and of the libraries'
// workspace. Tensors of kSmallTensor values (device.hpp) in rows of at most kSmallColumns need no more than a share.
inline constexpr unsigned kBranches = 16;
inline constexpr Index kSmallColumns = 16384;
// Bytes of device memory that the libraries work in, and how many of them a small product may use. A small product
// always gets a branch's share, because the choice of its algorithm must not depend on whether it runs in a branch.
inline constexpr std::size_t kLibraryWorkspace = std::size_t{64} << 20;
inline constexpr std::size_t kBranchWorkspace = kLibraryWorkspace / kBranches;

// Device memory in which the blocks of one kernel leave sums for its last block. One kernel at a time uses it. Streams
// that run kernels beside each other have one each.
struct Partials {
  double* sums = nullptr;       // kMaxBlocks × kMaxSums, or kMaxColumnSums
  unsigned* arrived = nullptr;  // kMaxTickets counters, 0 between kernels
};

struct Queue {
  CUstream_st* stream = nullptr;
  Partials partials;
  std::int32_t* info = nullptr;    // 2 on the device: a factorisation's status, 0 when all is well
  std::byte* workspace = nullptr;  // of the libraries
  std::size_t workspace_bytes = 0;
  Linalg* linalg = nullptr;

  static constexpr std::size_t sums_bytes() {
    constexpr std::size_t kFlat = std::size_t{kMaxBlocks} * kMaxSums, kColumns = std::size_t{kMaxColumnSums};
    return (kFlat > kColumns ? kFlat : kColumns) * sizeof(double);
  }
  // Bytes of all of the scratch memory. It must be zero before the first kernel.
  static constexpr std::size_t scratch_bytes() {
    return sums_bytes() + (kMaxTickets + 2 * kBranches) * sizeof(std::uint32_t);
  }
  // `memory` has scratch_bytes(), `library` has kLibraryWorkspace bytes.
  void use_scratch(std::byte* memory, std::byte* library) {
    partials.sums = reinterpret_cast<double*>(memory);
    partials.arrived = reinterpret_cast<unsigned*>(memory + sums_bytes());
    info = reinterpret_cast<std::int32_t*>(memory + sums_bytes() + kMaxTickets * sizeof(std::uint32_t));
    workspace = library;
    workspace_bytes = kLibraryWorkspace;
  }
  // Returns a queue on the same stream with the share of one branch.
  Queue branch(unsigned k) const {
    Queue share = *this;
    share.partials.sums += k * (sums_bytes() / sizeof(double) / kBranches);
    share.partials.arrived += k * (kMaxTickets / kBranches);
    share.info += 2 * k;
    share.workspace += k * kBranchWorkspace;
    share.workspace_bytes = kBranchWorkspace;
    return share;
  }
};

}  // namespace gamlp::cuda
