// Which exchanges of few bits, or of a fixed grid, train as float32 does, as measured
// (configs/experiments/few_bits.json; the figures are in tests/results/README.md).
#pragma once

#include <string>
#include <vector>

#include "host/config/config.hpp"
#include "host/methods/admm/admm_config.hpp"

namespace gamlp {

// near: within noise of float32; costs: some points of accuracy; unsafe: far from it, or diverges.
enum class FewBits { near, costs, unsafe };
// `update`: gradient or exact.
FewBits few_bits(const CodecConfig& codec, std::int64_t bits, Update update);

// A warning about each of p and q that is not near float32, with what is. `update`: of the config, "auto" too.
std::vector<std::string> few_bits_warnings(const Config& config, Update update);

}  // namespace gamlp
