// Which device owns what. Each owns a contiguous run of layers, such that the cost of an iteration is balanced, for all
// training nodes or for a shard of them.
#pragma once

#include <cstdint>
#include <vector>

#include "host/config/partition.hpp"

namespace gamlp {

// The layers first … last of one device, 1-based and inclusive.
struct LayerRange {
  int first = 1, last = 1;
  int count() const { return last - first + 1; }
  bool operator==(const LayerRange&) const = default;
};

// Where a stage runs: a grid of devices. Each has a run of layers, for a shard of the training nodes.
struct Placement {
  std::vector<LayerRange> ranges;  // of layers, from the first one on
  int shards = 1;                  // of the training nodes, for each range
  RankOrder order = RankOrder::shards;
  std::vector<int> hosts;  // of each device, at least; empty: all are on one

  int runs() const { return static_cast<int>(ranges.size()); }  // of layers
  int devices() const { return runs() * shards; }
  int rank(int range, int shard) const {
    return order == RankOrder::shards ? range * shards + shard : shard * runs() + range;
  }
  int range_of(int rank) const { return order == RankOrder::shards ? rank / shards : rank % runs(); }
  int shard_of(int rank) const { return order == RankOrder::shards ? rank % shards : rank / runs(); }
  const LayerRange& layers_of(int rank) const { return ranges.at(static_cast<std::size_t>(range_of(rank))); }
  // The devices of the first layers, by shard: those that have the inputs.
  std::vector<int> first_ranks() const;
  // Whether the device speaks for those of its range in what all of them have.
  bool speaks(int rank) const { return shard_of(rank) == 0; }
};

// A worker moves a float in the time of so many flops (5 per byte). The costs of layers count memory traffic by it.
inline constexpr double kFloatFlops = 20.0;

// Returns the contiguous partition over min(devices, layers) devices whose most expensive device is cheapest. `costs`
// has an entry per layer.
std::vector<LayerRange> partition_layers(const std::vector<double>& costs, int devices);

}  // namespace gamlp
