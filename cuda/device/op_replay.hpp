// Lists of ops as CUDA graphs. A list that is met a second time is captured while it is enqueued; from then on it is
// one launch. Lists are told apart by their ops, which name all of their memory, so a list that changed in any way is
// another one. What cannot be captured is enqueued op by op, always.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <vector>

#include "cuda/core/handles.hpp"
#include "host/device/ops.hpp"

namespace gamlp::cuda {

class OpReplay {
 public:
  using Run = std::function<void(const Op&)>;
  // `run` enqueues one op on `stream`.
  OpReplay(cudaStream_t stream, Run run) : stream_(stream), run_(std::move(run)) {}

  void enqueue(const std::vector<Op>& ops);

  struct Counts {
    std::uint64_t eager = 0, captured = 0, replayed = 0, refused = 0;  // lists
  };
  const Counts& counts() const { return counts_; }

 private:
  struct Known {
    std::size_t hash;
    std::vector<Op> ops;
    GraphExecHandle graph;
    bool refused = false;
  };

  void run_all(const std::vector<Op>& ops) const;
  bool capture(Known& known);

  static constexpr std::size_t kKept = 16;     // lists, the most recent first
  static constexpr std::size_t kShortest = 4;  // a graph of fewer ops gains nothing

  cudaStream_t stream_;
  Run run_;
  std::list<Known> known_;
  Counts counts_;
};

}  // namespace gamlp::cuda
