// Which device owns what. Each owns a contiguous run of layers, such that the cost of an iteration is balanced, for all
// training nodes or for a shard of them.
#pragma once

#include <cstdint>
#include <vector>

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

  int devices() const { return static_cast<int>(ranges.size()) * shards; }
  // The devices of one range follow each other, so that their sums stay within a host.
  int rank(int range, int shard) const { return range * shards + shard; }
  int range_of(int rank) const { return rank / shards; }
  int shard_of(int rank) const { return rank % shards; }
  const LayerRange& layers_of(int rank) const { return ranges.at(static_cast<std::size_t>(range_of(rank))); }
  // Whether the device speaks for those of its range in what all of them have.
  bool speaks(int rank) const { return shard_of(rank) == 0; }
};

// A worker moves a float in the time of so many flops (5 per byte). The costs of layers count memory traffic by it.
inline constexpr double kFloatFlops = 20.0;

// Returns the contiguous partition over min(devices, layers) devices whose most expensive device is cheapest. `costs`
// has an entry per layer.
std::vector<LayerRange> partition_layers(const std::vector<double>& costs, int devices);

}  // namespace gamlp
