#include "host/method/partition.hpp"

#include <algorithm>
#include <limits>

namespace gamlp {
namespace {

// A worker moves a float in the time of 20 flops (5 per byte). Of them, per value and iteration: ADMM about 30;
// backpropagation 12, and up to 7 per weight.
constexpr double kFloatFlops = 20.0;
constexpr double kAdmmFloats = 30.0, kBackpropFloats = 12.0, kWeightFloats = 7.0;

}  // namespace

std::vector<double> layer_costs(const std::vector<std::int64_t>& widths, std::int64_t nodes, const MethodConfig& method,
                                bool kernel_input) {
  std::vector<double> costs;
  const Update update = method.update;
  const double v = static_cast<double>(nodes);
  for (std::size_t l = 1; l < widths.size(); ++l) {
    const double n = static_cast<double>(widths[l - 1]), m = static_cast<double>(widths[l]);
    const double product = 2.0 * n * m * v;
    if (is_backprop(method)) {
      costs.push_back((l == 1 ? 2.0 : 3.0) * product + kFloatFlops * (kBackpropFloats * v * m + kWeightFloats * m * n));
      continue;
    }
    double flops;
    if (l == 1) {
      flops = kernel_input ? 2.0 * v * v * m : 2.0 * product + (update == Update::exact ? 2.0 * n * n * m : 0.0);
    } else if (update == Update::exact) {
      flops = 3.0 * product + 3.0 * n * n * v + 3.0 * n * n * n + 4.0 * n * n * m;
    } else {
      flops = 4.0 * product;
    }
    costs.push_back(flops + kFloatFlops * kAdmmFloats * v * m);
  }
  return costs;
}

std::vector<LayerRange> partition_layers(const std::vector<double>& costs, int devices) {
  const int layers = static_cast<int>(costs.size());
  const int parts = std::min(devices, layers);
  std::vector<double> prefix(static_cast<std::size_t>(layers) + 1, 0.0);
  for (int l = 0; l < layers; ++l) {
    prefix[static_cast<std::size_t>(l) + 1] = prefix[static_cast<std::size_t>(l)] + costs[static_cast<std::size_t>(l)];
  }
  // best[k][l]: the smallest maximum when the first l layers go to k devices, each with at least one.
  const double infinite = std::numeric_limits<double>::infinity();
  const std::size_t width = static_cast<std::size_t>(layers) + 1;
  std::vector<std::vector<double>> best(static_cast<std::size_t>(parts) + 1, std::vector<double>(width, infinite));
  std::vector<std::vector<int>> cut(static_cast<std::size_t>(parts) + 1, std::vector<int>(width, 0));
  best[0][0] = 0.0;
  for (std::size_t k = 1; k <= static_cast<std::size_t>(parts); ++k) {
    for (std::size_t l = k; l < width; ++l) {
      for (std::size_t from = k - 1; from < l; ++from) {
        const double value = std::max(best[k - 1][from], prefix[l] - prefix[from]);
        if (value < best[k][l]) {
          best[k][l] = value;
          cut[k][l] = static_cast<int>(from);
        }
      }
    }
  }
  std::vector<LayerRange> ranges(static_cast<std::size_t>(parts));
  int end = layers;
  for (int k = parts; k >= 1; --k) {
    const int from = cut[static_cast<std::size_t>(k)][static_cast<std::size_t>(end)];
    ranges[static_cast<std::size_t>(k) - 1] = {from + 1, end};
    end = from;
  }
  return ranges;
}

}  // namespace gamlp
