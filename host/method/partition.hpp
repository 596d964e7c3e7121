// Which device owns which layers: contiguous runs that balance the cost of an iteration.
#pragma once

#include <cstdint>
#include <vector>

#include "host/config/config.hpp"

namespace gamlp {

// Layers first … last (1-based, inclusive) of one device.
struct LayerRange {
  int first = 1, last = 1;
  int count() const { return last - first + 1; }
  bool operator==(const LayerRange&) const = default;
};

// Relative cost of one iteration of each layer, in flops: the products (algorithm.md §3, §9; backpropagation: three),
// and the elementwise passes as the flops that their memory traffic takes the time of. The method is resolved.
// `kernel_input`: layer 1 runs in coordinates of the training nodes (input.hpp: kernel).
std::vector<double> layer_costs(const std::vector<std::int64_t>& widths, std::int64_t nodes, const MethodConfig& method,
                                bool kernel_input);

// The contiguous partition over min(devices, layers) devices whose most expensive device is cheapest.
std::vector<LayerRange> partition_layers(const std::vector<double>& costs, int devices);

}  // namespace gamlp
