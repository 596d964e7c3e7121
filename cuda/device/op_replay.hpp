// Lists of ops as CUDA graphs. A list that is met a second time is captured while it is enqueued; from then on it is
// one launch. Lists are told apart by their ops, which name all of their memory, so a list that changed in any way is
// another one. What cannot be captured, though tried thrice, is enqueued op by op. A list of ops on small tensors
// becomes a graph in which only what touches the same memory is in order (op_order.hpp), so that layers run beside each
// other.
#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <variant>
#include <vector>

#include "cuda/core/handles.hpp"
#include "host/device/ops.hpp"

namespace gamlp::cuda {

class OpReplay {
 public:
  using Run = std::function<void(const Op&)>;
  using RunInBranch = std::function<void(const Op&, unsigned branch)>;
  // `run` enqueues one op on `stream`, of device number `device`; `run_in_branch` with the scratch memory of one of
  // kBranches branches.
  OpReplay(int device, cudaStream_t stream, Run run, RunInBranch run_in_branch)
      : device_(device), stream_(stream), run_(std::move(run)), run_in_branch_(std::move(run_in_branch)) {}

  void enqueue(const std::vector<Op>& ops);

  struct Counts {
    std::uint64_t eager = 0, captured = 0, branched = 0, replayed = 0, refused = 0;  // lists
  };
  const Counts& counts() const { return counts_; }

 private:
  struct Known {
    std::size_t hash;
    std::vector<Op> ops;
    GraphExecHandle graph;
    int refusals = 0;
  };

  void run_all(const std::vector<Op>& ops) const;
  void run_eagerly(const std::vector<Op>& ops);
  void run_branched(const std::vector<Op>& ops) const;
  bool capture(Known& known, bool branched);

  static constexpr std::size_t kKept = 16;     // lists, the most recent first
  static constexpr std::size_t kShortest = 4;  // a graph of fewer ops gains nothing
  static constexpr int kMostRefusals = 3;

  int device_;
  cudaStream_t stream_;
  Run run_;
  RunInBranch run_in_branch_;
  std::list<Known> known_;
  std::bitset<std::variant_size_v<OpVariant>> met_;  // kinds of op that have been run
  Counts counts_;
};

}  // namespace gamlp::cuda
