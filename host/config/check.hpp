// Rules between the values of a config, which the schema cannot express.
#pragma once

#include <string>
#include <vector>

#include "host/config/config.hpp"

namespace gamlp {

// One line per contradiction, each naming the keys involved; empty when the config can be run.
std::vector<std::string> config_problems(const Config& config);

// Throws ConfigError with those lines. parse_config() has called it; call it again on a resolved config.
void check_config(const Config& config);

// Settings that are allowed but known to go wrong or to have no effect. Most useful on a resolved config.
std::vector<std::string> config_warnings(const Config& config);

}  // namespace gamlp
