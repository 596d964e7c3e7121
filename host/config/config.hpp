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
#include "host/config/train.hpp"
#include "host/math/precision.hpp"

namespace gamlp {

struct Config {
  DatasetConfig dataset;
  ModelConfig model;
  std::vector<StageConfig> stages = {{2, 200}, {5, 200}, {10, 200}};
  MethodConfig method;
  ExchangeConfig exchange;
  TrainConfig train;
  std::string devices = "auto";  // see devices.hpp
  ProductPrecision precision = ProductPrecision::float32;
  std::int64_t threads_per_device = 1;                 // BLAS threads of each device; part of the run's arithmetic
  std::optional<std::vector<std::int64_t>> partition;  // layers of each device in the last stage; null: by cost
  DistributedConfig distributed;
};

}  // namespace gamlp
