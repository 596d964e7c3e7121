// Rules between the sections of a config, which the schema cannot express. Those of the method: Method::problems() and
// warnings(); all together: host/methods/load_config.hpp.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "host/config/config.hpp"

namespace gamlp {

inline constexpr std::int64_t unquantized_bits = 32;

std::int64_t longest_stage(const Config& config);  // epochs

// The bits that a codec runs with, its own and those that the schedule brings before every stage has ended.
std::vector<std::int64_t> bits_used(const Config& config, const CodecConfig& codec);

// One line per contradiction, each naming the keys involved.
std::vector<std::string> section_problems(const Config& config);

// Settings that are allowed but have no effect.
std::vector<std::string> section_warnings(const Config& config);

}  // namespace gamlp
