// Which device owns which layers. Each device owns a contiguous run of layers, such that the cost of an iteration is
// balanced.
#pragma once

#include <cstdint>
#include <vector>

namespace gamlp {

// The layers first … last of one device, 1-based and inclusive.
struct LayerRange {
  int first = 1, last = 1;
  int count() const { return last - first + 1; }
  bool operator==(const LayerRange&) const = default;
};

// A worker moves a float in the time of so many flops (5 per byte). The costs of layers count memory traffic by it.
inline constexpr double kFloatFlops = 20.0;

// Returns the contiguous partition over min(devices, layers) devices whose most expensive device is cheapest. `costs`
// has an entry per layer.
std::vector<LayerRange> partition_layers(const std::vector<double>& costs, int devices);

}  // namespace gamlp
