// Which device owns which layers: contiguous runs that balance the cost of an iteration.
#pragma once

#include <cstdint>
#include <vector>

namespace gamlp {

// Layers first … last (1-based, inclusive) of one device.
struct LayerRange {
  int first = 1, last = 1;
  int count() const { return last - first + 1; }
  bool operator==(const LayerRange&) const = default;
};

// A worker moves a float in the time of so many flops (5 per byte): what costs of layers count memory traffic by.
inline constexpr double kFloatFlops = 20.0;

// The contiguous partition over min(devices, layers) devices whose most expensive device is cheapest.
std::vector<LayerRange> partition_layers(const std::vector<double>& costs, int devices);

}  // namespace gamlp
