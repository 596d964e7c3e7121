#include "host/config/device_grid.hpp"

#include <algorithm>

namespace gamlp {
namespace {

std::int64_t layers_of(const Config& config) { return config.stages.empty() ? 1 : config.stages.back().layers; }

// Runs of layers that the config names; 0: as many as there are devices for.
std::int64_t named_ranges(const Config& config) {
  return config.partition.layers ? static_cast<std::int64_t>(config.partition.layers->size()) : 0;
}

bool fits(const Config& config, std::int64_t devices) {
  const std::int64_t replicas = replica_count(config, devices);
  if (devices <= 0 || devices % replicas != 0) return false;
  const std::int64_t each = devices / replicas, shards = shard_count(config, devices), ranges = each / shards;
  return each % shards == 0 && ranges <= layers_of(config) &&
         (named_ranges(config) == 0 || ranges == named_ranges(config));
}

std::string counted(std::int64_t count, const std::string& what) {
  return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

}  // namespace

std::int64_t replica_count(const Config& config, std::int64_t devices) {
  if (config.partition.replicas) return *config.partition.replicas;
  if (!config.partition.replicates) return 1;
  return std::max<std::int64_t>(
      devices / (std::max<std::int64_t>(named_ranges(config), 1) * config.partition.shards.value_or(1)), 1);
}

std::int64_t shard_count(const Config& config, std::int64_t all_devices) {
  if (config.partition.shards) return *config.partition.shards;
  const std::int64_t devices = all_devices / replica_count(config, all_devices);
  if (named_ranges(config) > 0) return std::max<std::int64_t>(devices / named_ranges(config), 1);
  for (std::int64_t shards = 1; shards < devices && !config.partition.workers; ++shards) {
    if (devices % shards == 0 && devices / shards <= layers_of(config)) return shards;
  }
  return std::max<std::int64_t>(devices, 1);
}

std::int64_t least_devices(const Config& config) {
  return std::max<std::int64_t>(named_ranges(config), 1) * config.partition.shards.value_or(1) *
         config.partition.replicas.value_or(1);
}

std::int64_t fitting_devices(const Config& config, std::int64_t most) {
  const std::int64_t shards = config.partition.shards.value_or(1), replicas = config.partition.replicas.value_or(1);
  if (config.partition.replicates && !config.partition.replicas) {
    const std::int64_t each = least_devices(config);
    return std::max<std::int64_t>(most / each, 1) * each;
  }
  if (named_ranges(config) > 0) return named_ranges(config) * shards * replicas;
  if (config.partition.workers && !config.partition.shards) return std::max<std::int64_t>(most, 1);
  return std::clamp<std::int64_t>(most / (shards * replicas), 1, layers_of(config)) * shards * replicas;
}

std::string grid_problem(const Config& config, std::int64_t devices) {
  if (fits(config, devices)) return "";
  const std::int64_t shards = shard_count(config, devices), ranges = named_ranges(config);
  const std::int64_t replicas = replica_count(config, devices);
  std::string text;
  if (devices % replicas != 0) {
    text =
        "`partition.replicas` is " + std::to_string(replicas) + ", which does not divide " + counted(devices, "device");
  } else if (ranges > 0 && config.partition.shards) {
    text = "`partition` asks for " + std::to_string(ranges * shards * replicas) + " devices, " +
           std::to_string(ranges) + " runs of layers × " + counted(shards, "shard") +
           (replicas > 1 ? " × " + std::to_string(replicas) + " replicas" : "") + ", not for " +
           std::to_string(devices);
  } else if (ranges > 0) {
    text = "`partition.layers` has " + std::to_string(ranges) + (ranges == 1 ? " entry" : " entries") + " for " +
           counted(devices, "device");
  } else if (devices / replicas % shards != 0) {
    text = "`partition.shards` is " + std::to_string(shards) + ", which does not divide " + counted(devices, "device");
  } else {
    text = counted(devices, "device") + " in " + counted(shards, "shard") + " (`partition.shards`)" +
           (replicas > 1 ? " of each of " + std::to_string(replicas) + " replicas" : "") + " are " +
           std::to_string(devices / shards / replicas) + " for the " + std::to_string(layers_of(config)) +
           " layers of the last stage: each device owns at least one layer";
  }
  std::int64_t below = devices - 1, above = devices + 1;
  while (below > 0 && !fits(config, below)) --below;
  const std::int64_t most = std::max(devices, least_devices(config)) + shards * replicas * layers_of(config);
  while (above <= most && !fits(config, above)) ++above;
  if (below == 0 && above > most) return text;
  return text + "; possible " + (below == 1 && above > most ? "is " : "are ") +
         (below > 0 ? std::to_string(below) : "") + (below > 0 && above <= most ? " or " : "") +
         (above <= most ? std::to_string(above) : "") + (below == 1 && above > most ? " device" : " devices");
}

std::string shards_problem(const Config& config, std::int64_t shards, std::int64_t most, const std::string& blocks) {
  if (shards <= most) return "";
  const std::string limit = ": must be at most " + std::to_string(most) + ", " + blocks;
  if (config.partition.shards) return "`partition.shards` is " + std::to_string(shards) + limit;
  const bool named = named_ranges(config) > 0;
  if (config.partition.workers && !named) {
    return "the devices, each of which is a worker, make " + std::to_string(shards) + " shards of the training nodes" +
           limit + "; fewer workers: `devices`, or `partition.shards`";
  }
  const std::int64_t ranges = named ? named_ranges(config) : layers_of(config);
  return "the devices, more than the " + std::to_string(ranges) +
         (named ? " entries of `partition.layers`" : " layers of the last stage") + ", make " + std::to_string(shards) +
         " shards of the training nodes" + limit + "; possible are up to " + counted(most * ranges, "device");
}

}  // namespace gamlp
