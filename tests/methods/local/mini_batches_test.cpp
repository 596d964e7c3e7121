// Which nodes the steps of replicas take.
#include "host/methods/gradient/mini_batches.hpp"

#include <algorithm>
#include <set>

#include "host/math/permutation.hpp"
#include "host/methods/common/stage_program.hpp"
#include "tests/support/catch.hpp"

using namespace gamlp;

namespace {

StageSpec spec_of(std::int64_t nodes, int blocks, int replicas) {
  StageSpec spec;
  spec.nodes = nodes, spec.blocks = blocks, spec.seed = 5;
  spec.placement.replicas = replicas;
  return spec;
}

// The nodes of a step, as the op that gathers them draws them.
std::vector<std::int64_t> nodes_of(const StageSpec& spec, const MiniBatches& batches, std::int64_t epoch, int step) {
  std::vector<std::int64_t> nodes;
  const Parts blocks = spec.block_nodes();
  for (int block = 0; block < blocks.count(); ++block) {
    const Rows from = batches.rows(block), taken = batches.of_step(block, step);
    CHECK(taken.count <= batches.most(block));
    const Permutation permutation(key_at(batches.key(block), static_cast<std::uint32_t>(epoch)),
                                  static_cast<std::uint32_t>(from.count));
    for (std::int64_t i = taken.first; i < taken.first + taken.count; ++i) {
      nodes.push_back(blocks.first(block) + from.first + permutation(static_cast<std::uint32_t>(i)));
    }
  }
  return nodes;
}

std::vector<std::int64_t> epoch_of(const StageSpec& spec, const MiniBatches& batches, std::int64_t epoch) {
  std::vector<std::int64_t> all;
  for (int step = 0; step < batches.steps(); ++step) {
    const std::vector<std::int64_t> nodes = nodes_of(spec, batches, epoch, step);
    CHECK(static_cast<std::int64_t>(nodes.size()) == batches.nodes(step));
    all.insert(all.end(), nodes.begin(), nodes.end());
  }
  return all;
}

}  // namespace

TEST_CASE("replicas have all nodes, their share of an order, or always the same share") {
  for (const auto& [nodes, blocks, replicas] :
       {std::tuple{100, 1, 4}, {103, 3, 4}, {61, 2, 3}, {50, 1, 1}, {97, 5, 2}}) {
    for (const ReplicaData data : {ReplicaData::replicated, ReplicaData::reshuffled, ReplicaData::fixed}) {
      const StageSpec spec = spec_of(nodes, blocks, replicas);
      INFO(nodes << " nodes in " << blocks << " blocks, " << replicas << " replicas, data " << static_cast<int>(data));
      std::vector<std::set<std::int64_t>> first;  // epoch 0, by replica
      std::multiset<std::int64_t> together;
      for (int replica = 0; replica < replicas; ++replica) {
        const MiniBatches batches(spec, replica, 8, data);
        CHECK(batches.permuted());
        const std::int64_t all = data == ReplicaData::replicated ? nodes : (nodes + replicas - 1) / replicas;
        CHECK(batches.steps() == (all + 7) / 8);
        const std::vector<std::int64_t> a = epoch_of(spec, batches, 0), b = epoch_of(spec, batches, 1);
        const std::set<std::int64_t> distinct(a.begin(), a.end()), next(b.begin(), b.end());
        CHECK(distinct.size() == a.size());  // no node twice in an epoch
        CHECK(a != b);
        if (data == ReplicaData::replicated) CHECK(a.size() == static_cast<std::size_t>(nodes));
        if (data == ReplicaData::fixed) CHECK(distinct == next);
        if (data == ReplicaData::reshuffled && replicas > 1) CHECK(distinct != next);
        together.insert(a.begin(), a.end());
        first.push_back(distinct);
        for (int step = 0; step < batches.steps(); ++step) CHECK(batches.nodes(step) > 0);
      }
      const std::size_t times = data == ReplicaData::replicated ? static_cast<std::size_t>(replicas) : 1;
      for (std::int64_t node = 0; node < nodes; ++node) CHECK(together.count(node) == times);
    }
  }
}

TEST_CASE("replicas that have all nodes take them in orders of their own, and replica 0 in that of a single network") {
  const StageSpec spec = spec_of(64, 1, 3), alone = spec_of(64, 1, 1);
  const auto order = [&](const StageSpec& of, int replica) {
    return epoch_of(of, MiniBatches(of, replica, 16, ReplicaData::replicated), 0);
  };
  CHECK(order(spec, 0) == order(alone, 0));
  CHECK(order(spec, 1) != order(spec, 0));
  CHECK(order(spec, 2) != order(spec, 1));
}

TEST_CASE("without a batch size an epoch is one step") {
  const StageSpec spec = spec_of(20, 2, 4);
  CHECK_FALSE(MiniBatches(spec, 1, std::nullopt, ReplicaData::replicated).permuted());
  const MiniBatches shared(spec, 1, std::nullopt, ReplicaData::reshuffled);
  CHECK(shared.permuted());
  CHECK(shared.steps() == 1);
  CHECK(shared.nodes(0) == 5);  // 3 of a block of 12, 2 of one of 8
  CHECK(batch_steps(20, std::nullopt) == 1);
  CHECK(batch_steps(20, 6) == 4);
  CHECK(batch_steps(20, 6, 2, ReplicaData::replicated) == 4);
  CHECK(batch_steps(20, 6, 2, ReplicaData::fixed) == 2);
}
