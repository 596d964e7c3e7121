// Weights on the host: initialisation and growth (docs/algorithm.md §8).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "host/config/method.hpp"
#include "host/core/matrix.hpp"
#include "host/device/ops.hpp"

namespace gamlp {

// One layer: z = W p + b, W is outputs × inputs.
struct LayerWeights {
  Matrix w;
  std::vector<float> b;
};

using Network = std::vector<LayerWeights>;

// Widths of a network: inputs, width (layers − 1 times), classes.
std::vector<std::int64_t> layer_widths(int layers, std::int64_t inputs, std::int64_t width, std::int64_t classes);

// How method.init and init_scale_first say. W_1 ~ N(0, scale²) and the others rectangular identities ("identity") or
// N(0, 0.1²) with b ~ N(0, 0.1²) everywhere ("normal"); or all uniform in ±1/sqrt(inputs) ("pytorch"). Seeded per
// layer. `features`: inputs of layer 1 where widths has the coordinates that stand for them (0: widths' own).
Network initial_network(const std::vector<std::int64_t>& widths, const MethodConfig& method, std::uint64_t seed,
                        std::int64_t features = 0);

// Inserts width × width layers, as above, before the head until there are `layers`; the head is kept, or restarts (as
// above; with method.init "normal" as a rectangular identity). With identity layers and a kept head the function is
// unchanged for activations that keep non-negative values (ReLU, leaky ReLU).
Network grown(const Network& network, int layers, const MethodConfig& method, std::uint64_t seed);

// Throws DivergenceError naming the layer and "W" or "b" when a weight is not finite.
void check_finite(const Network& network);

}  // namespace gamlp
