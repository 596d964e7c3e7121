// Which exchanges of few bits, or of a fixed grid, train as well as float32. The answers are measurements
// (configs/experiments/few_bits.json). tests/results/README.md has the figures.
#pragma once

#include <string>
#include <vector>

#include "host/config/config.hpp"
#include "host/methods/admm/admm_config.hpp"

namespace gamlp {

// near: within noise of float32. costs: some points of accuracy less. unsafe: far from float32, or training diverges.
enum class FewBits { near, costs, unsafe };
// `update` is gradient or exact.
FewBits few_bits(const CodecConfig& codec, std::int64_t bits, Update update);

// Returns a warning about each of p and q that is not near float32. It says what would be. `update` is that of the
// config, which may be "auto".
std::vector<std::string> few_bits_warnings(const Config& config, Update update);

}  // namespace gamlp
