// Which numbers of devices a config can be placed on: layers × shards of the training nodes × replicas (`partition`).
#pragma once

#include <cstdint>
#include <string>

#include "host/config/config.hpp"

namespace gamlp {

// The replicas of the network that `devices` devices have: those of the config, or, of a method that replicates, as
// many as there are devices for. Else 1.
std::int64_t replica_count(const Config& config, std::int64_t devices);
// The shards that `devices` devices have in each replica: those of the config, or the fewest with which each device has
// a layer. A device each where shards are workers.
std::int64_t shard_count(const Config& config, std::int64_t devices);
// How many devices `partition` asks for, at least. 1 where it asks for none.
std::int64_t least_devices(const Config& config);
// At most so many devices, `most` or fewer, of which each has a layer. Without shards in the config each has layers of
// its own.
std::int64_t fitting_devices(const Config& config, std::int64_t most);
// Why the config cannot be placed on `devices` devices, and the nearest numbers that it can be placed on. "" where it
// can.
std::string grid_problem(const Config& config, std::int64_t devices);
// Why the training nodes cannot be so many shards: `most` is how many there can be, `blocks` names what limits them. ""
// where they can.
std::string shards_problem(const Config& config, std::int64_t shards, std::int64_t most, const std::string& blocks);

}  // namespace gamlp
