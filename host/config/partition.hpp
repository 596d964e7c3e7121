// The config section `partition`: which device has what in the last stage.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace gamlp {

// Which devices have consecutive ranks, and so share a host: those of the same layers (shards), or those of the same
// shard (layers).
enum class RankOrder { shards, layers };

// Where the last stage runs: devices = runs of layers × shards of the training nodes (device_grid.hpp).
struct PartitionConfig {
  std::optional<std::vector<std::int64_t>> layers;  // of each run; null: by cost
  std::optional<std::int64_t> shards;               // null: 1, or as many as give every device a layer
  std::optional<RankOrder> order;                   // null: shards
  // No key: without the two above every device is a shard, since shards are what the method calls workers
  // (Method::shards_are_workers()). Who reads the config sets it (load_config.hpp).
  bool shard_per_device = false;
};

}  // namespace gamlp
