// Tells a person what a config asks for, and what it will cost.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "host/config/config.hpp"
#include "host/plan/config_cost.hpp"

namespace gamlp::cli {

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
