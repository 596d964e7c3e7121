// Replays lists of ops as CUDA graphs. A list that comes a second time is captured as a graph. From then on it is one
// launch. Lists are told apart by their ops, which name all of their memory. So a list that changed in any way is
// another one. What cannot be captured in three attempts is enqueued op by op. A list of ops on small tensors becomes a
// graph in which only what touches the same memory is in order (op_order.hpp), so that layers run beside each other.
#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <list>
#include <variant>
#include <vector>

#include "cuda/core/handles.hpp"
#include "cuda/core/queue.hpp"
#include "host/device/ops.hpp"

namespace gamlp::cuda {

class OpReplay {
 public:
  // Whether graphs can have branches. The calls of earlier toolkits lack edge data, without which library kernels
  // cannot be followed.
  static constexpr bool kCanBranch = CUDART_VERSION >= 13000;

  using Run = void (*)(const Op&, Queue);  // enqueues one op on the queue's stream
  // `device` is the number of the device that the queue belongs to.
  OpReplay(int device, const Queue& queue, Run run) : device_(device), queue_(queue), run_(run) {}

  // Enqueues a list of ops on the queue's stream.
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

  static constexpr std::size_t kKept = 64;     // lists, the most recent first
  static constexpr std::size_t kShortest = 4;  // a graph of fewer ops gains nothing
  static constexpr int kMostRefusals = 3;

  int device_;
  Queue queue_;
  Run run_;
  std::list<Known> known_;
  std::bitset<std::variant_size_v<OpVariant>> met_;  // kinds of op that have been run
  Counts counts_;
};

}  // namespace gamlp::cuda
