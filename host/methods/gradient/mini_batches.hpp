// Which training nodes the steps of an epoch take.
//
// Without a batch size an epoch is one step with all nodes. With one, the nodes of every block (StageSpec::blocks) are
// permuted anew for every epoch, and a step takes the next ones of all blocks: so each node is in one step, and steps
// have as many nodes as can be. Which nodes they have depends neither on shards nor on devices.
//
// Replicas of a network share the nodes in one of three ways. In an epoch
//   replicated   every replica passes over all nodes, in an order of its own
//   reshuffled   every replica passes over its share of a permutation that all have, and that is another one in each
//                epoch
//   fixed        every replica passes over its share of the nodes, which stays the same, in an order of its own
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "host/core/parts.hpp"
#include "host/methods/common/node_blocks.hpp"

namespace gamlp {

struct StageSpec;

enum class ReplicaData { replicated, reshuffled, fixed };

// How many steps an epoch has in which so many replicas have `batch` nodes each in a step.
int batch_steps(std::int64_t nodes, const std::optional<std::int64_t>& batch, int replicas = 1,
                ReplicaData data = ReplicaData::replicated);

// The seed of what replicas draw each for itself. Of replica 0 that of the stage.
std::uint64_t replica_seed(std::uint64_t seed, int replica);

class MiniBatches {
 public:
  // Of replica `replica` of a stage.
  MiniBatches(const StageSpec& spec, int replica, const std::optional<std::int64_t>& batch, ReplicaData data);

  int steps() const { return steps_; }  // of an epoch
  // Whether steps take permuted nodes. Else the only step takes the nodes as they are.
  bool permuted() const { return permuted_; }
  // Blocks are counted over all shards. Of a block: the rows that this replica draws from; which of them, permuted, a
  // step takes; and how many it takes at most.
  Rows rows(int block) const { return rows_[static_cast<std::size_t>(block)]; }
  Rows of_step(int block, int step) const;
  std::int64_t most(int block) const;
  // The nodes of a step, in all blocks.
  std::int64_t nodes(int step) const;
  // The key of a block's permutations (host/math/permutation.hpp).
  std::uint32_t key(int block) const;

 private:
  std::uint64_t seed_;
  int steps_, every_ = 1, first_ = 0;  // a step takes part `first_` of `every_` neighbouring ones
  bool permuted_;
  std::vector<Rows> rows_;     // by block
  std::vector<Parts> slices_;  // likewise: all parts of a permutation
};

}  // namespace gamlp
