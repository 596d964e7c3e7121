// The typed form of a gamlp config. configs/schema.json has the JSON form, its ranges and its documentation. The
// defaults below are the schema's defaults, and a test holds them together.
//
// An optional value is null in JSON, and means "chosen by the program". prepare_problem() (host/problem/problem.hpp)
// replaces those that depend on the data by the values used, so that the config.json of a run folder repeats the run.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "host/config/dataset.hpp"
#include "host/config/distributed.hpp"
#include "host/config/exchange.hpp"
#include "host/config/method.hpp"
#include "host/config/model.hpp"
#include "host/config/partition.hpp"
#include "host/config/train.hpp"
#include "host/math/precision.hpp"

namespace gamlp {

inline constexpr std::int64_t kNodeMemoryUnit = 1'000'000;  // bytes, of Config::node_memory

struct Config {
  DatasetConfig dataset;
  ModelConfig model;
  std::vector<StageConfig> stages = {{2, 200}, {5, 200}, {10, 200}};
  MethodConfig method;
  ExchangeConfig exchange;
  TrainConfig train;
  std::string devices = "auto";  // see devices.hpp
  ProductPrecision precision = ProductPrecision::float32;
  std::int64_t threads_per_device = 1;      // BLAS threads of each device; part of the run's arithmetic
  std::optional<std::int64_t> node_memory;  // MB of each device for tensors of nodes; null: what they need,
                                            // or on GPUs that lack it what is left
  PartitionConfig partition;
  DistributedConfig distributed;
};

// The method of a stage (1-based): its own, or the config's.
inline const MethodConfig& method_of(const Config& config, int stage) {
  const auto& own = config.stages.at(static_cast<std::size_t>(stage) - 1).method;
  return own ? *own : config.method;
}
// Whether one section of the config is the method of both stages.
inline bool share_method(const Config& config, int a, int b) { return &method_of(config, a) == &method_of(config, b); }
inline int stage_count(const Config& config) { return static_cast<int>(config.stages.size()); }

}  // namespace gamlp
