// What a config asks for, and what it will cost: bytes exchanged, flops, memory.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "host/config/config.hpp"
#include "host/method/input.hpp"
#include "host/method/partition.hpp"
#include "host/train/problem.hpp"

namespace gamlp::cli {

// One stage with one device per layer, as far as communication goes.
struct StageCost {
  std::int64_t layers = 0, epochs = 0;
  std::int64_t boundary_bytes = 0;  // per epoch, p and q of one boundary, with the bits of the last epochs
  std::int64_t keyframe_bytes = 0;  // float32 activations that cross each boundary when the stage starts
  double flops = 0;                 // of the products of an iteration
  std::vector<LayerRange> ranges;   // layers of each device
};

// Needs the dataset.
struct ConfigCost {
  std::int64_t train = 0, inputs = 0, classes = 0;
  InputKind input = InputKind::plain;
  std::vector<std::string> notes;  // what was chosen automatically
  std::vector<StageCost> stages;
  double memory_bytes = 0;  // of the process at its peak, all devices and stages
};

// Resolves the method on the way.
ConfigCost config_cost(Config& config, const ProblemCounts& counts);

struct ConfigSummary {
  std::string path;
  Config config;  // with the method resolved, when the dataset is there
  std::vector<std::string> warnings;
  std::optional<ConfigCost> cost;
  std::string missing;  // why there is no cost
};

ConfigSummary summarize_config(Config config, const std::string& path);

nlohmann::ordered_json to_json(const ConfigSummary& summary);
std::string to_text(const ConfigSummary& summary);

}  // namespace gamlp::cli
