// The weights of a network on the host: how they are initialised, and how the network grows (docs/algorithm.md §8).
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

// Returns the widths of a network: inputs, width (layers − 1 times), classes.
std::vector<std::int64_t> layer_widths(int layers, std::int64_t inputs, std::int64_t width, std::int64_t classes);

// Returns the weights that a run starts with. method.init says which:
//   identity  W_1 ~ N(0, init_scale_first²), the other W rectangular identities, b = 0
//   normal    W_1 ~ N(0, init_scale_first²), the other W ~ N(0, 0.1²), b ~ N(0, 0.1²) everywhere
//   pytorch   W and b uniform in ±1/sqrt(inputs of the layer), as torch.nn.Linear
// Every layer has a seed of its own. `features` is the number of layer 1's inputs where widths[0] counts coordinates
// that stand for them. With 0 it is widths[0].
Network initial_network(const std::vector<std::int64_t>& widths, const MethodConfig& method, std::uint64_t seed,
                        std::int64_t features = 0);

// Returns the network with width × width layers inserted before the head, the last layer, until there are `layers`.
// They start like the layers after the first, above. By method.growth_head the head is kept, or starts again like these
// (with method.init "normal" as a rectangular identity). A network of `layers` layers stays as it is. With identity
// layers and a kept head the network's function does not change where the activation keeps non-negative values (ReLU,
// leaky ReLU).
Network grown(const Network& network, int layers, const MethodConfig& method, std::uint64_t seed);

// The mean of networks of the same shape, at least one. That of one is the network itself, bit for bit.
Network mean_of(std::vector<Network> networks);

// Throws DivergenceError when a weight is not finite. The error names the layer and "W" or "b".
void check_finite(const Network& network);

}  // namespace gamlp
