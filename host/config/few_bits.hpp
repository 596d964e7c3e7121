// Which exchanges of few bits, or of a fixed grid, train as float32 does, as measured
// (configs/experiments/few_bits.json; the figures are in tests/results/README.md).
#pragma once

#include <string>
#include <vector>

#include "host/config/config.hpp"

namespace gamlp {

inline constexpr std::int64_t unquantized_bits = 32;

// near: within noise of float32; costs: some points of accuracy; unsafe: far from it, or diverges.
enum class FewBits { near, costs, unsafe };
// `update`: gradient or exact.
FewBits few_bits(const CodecConfig& codec, std::int64_t bits, Update update);

std::int64_t longest_stage(const Config& config);

// The bits that a codec runs with, its own and those that the schedule brings before every stage has ended.
std::vector<std::int64_t> bits_used(const Config& config, const CodecConfig& codec);

// A warning about each of p and q that is not near float32, with what is.
std::vector<std::string> few_bits_warnings(const Config& config);

}  // namespace gamlp
