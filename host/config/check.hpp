// Checks the rules between the sections of a config, which the schema cannot express. The rules of a method are in
// Method::problems() and warnings(). host/methods/load_config.hpp checks all of them together.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "host/config/config.hpp"

namespace gamlp {

inline constexpr std::int64_t unquantized_bits = 32;

std::int64_t longest_stage(const Config& config);  // epochs

// The bits that a codec runs with: its own, and those that the schedule sets before the longest stage ends.
std::vector<std::int64_t> bits_used(const Config& config, const CodecConfig& codec);

// Returns one line per contradiction. Each line names the keys involved.
std::vector<std::string> section_problems(const Config& config);

// Returns one line per setting that is allowed but has no effect.
std::vector<std::string> section_warnings(const Config& config);

}  // namespace gamlp
