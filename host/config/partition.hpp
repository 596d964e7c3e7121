// The config section `partition`: which device has what in the last stage.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace gamlp {

// Which devices have consecutive ranks, and so share a host: those of the same layers (shards), or those of the same
// shard (layers).
enum class RankOrder { shards, layers };

// Where the last stage runs: devices = runs of layers × shards of the training nodes × replicas of the network
// (device_grid.hpp).
struct PartitionConfig {
  std::optional<std::vector<std::int64_t>> layers;  // of each run; null: by cost
  std::optional<std::int64_t> shards;               // null: 1, or as many as give every device a layer
  std::optional<RankOrder> order;                   // null: shards
  std::optional<std::int64_t> replicas;             // null: 1, or as many as there are devices for
  // No key: shards are workers, on whose number results depend (Method::shards_are_workers()). Where neither `layers`
  // nor `shards` is given, every device is one. Who reads a config sets this (mark_workers() of load_config.hpp).
  bool workers = false;
  // No key: each replica has weights of its own (Method::replicates()). Set as `workers` is.
  bool replicates = false;
};

}  // namespace gamlp
