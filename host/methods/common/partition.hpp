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

// Where a stage runs: a grid of devices. Each has a run of layers, for a shard of the training nodes, in a replica of
// the network. The devices of a replica have consecutive ranks.
struct Placement {
  std::vector<LayerRange> ranges;  // of layers, from the first one on
  int shards = 1;                  // of the training nodes, for each range
  int replicas = 1;                // each of all ranges and shards
  RankOrder order = RankOrder::shards;
  std::vector<int> hosts;  // of each device, at least; empty: all are on one

  int runs() const { return static_cast<int>(ranges.size()); }  // of layers
  int devices() const { return of_replica() * replicas; }
  int of_replica() const { return runs() * shards; }  // devices of each
  int rank(int range, int shard, int replica = 0) const {
    const int within = order == RankOrder::shards ? range * shards + shard : shard * runs() + range;
    return replica * of_replica() + within;
  }
  int range_of(int rank) const {
    const int within = within_replica(rank);
    return order == RankOrder::shards ? within / shards : within % runs();
  }
  int shard_of(int rank) const {
    const int within = within_replica(rank);
    return order == RankOrder::shards ? within % shards : within / runs();
  }
  int replica_of(int rank) const { return replicas == 1 ? 0 : rank / of_replica(); }
  int within_replica(int rank) const { return replicas == 1 ? rank : rank % of_replica(); }
  const LayerRange& layers_of(int rank) const { return ranges.at(static_cast<std::size_t>(range_of(rank))); }
  // The devices of a run of layers, by replica and shard. column() is where a device is among them. Those of run 0 have
  // the inputs.
  std::vector<int> ranks_of(int range) const;
  int column(int rank) const { return replica_of(rank) * shards + shard_of(rank); }
  // Whether the device speaks for those of its range and replica in what all of them have.
  bool speaks(int rank) const { return shard_of(rank) == 0; }
};

// A worker moves a float in the time of so many flops (5 per byte). The costs of layers count memory traffic by it.
inline constexpr double kFloatFlops = 20.0;

// Returns the contiguous partition over min(devices, layers) devices whose most expensive device is cheapest. `costs`
// has an entry per layer.
std::vector<LayerRange> partition_layers(const std::vector<double>& costs, int devices);

}  // namespace gamlp
