#include "host/methods/common/partition.hpp"

#include <algorithm>
#include <limits>

namespace gamlp {

std::vector<int> Placement::ranks_of(int range) const {
  std::vector<int> ranks;
  for (int replica = 0; replica < replicas; ++replica) {
    for (int shard = 0; shard < shards; ++shard) ranks.push_back(rank(range, shard, replica));
  }
  return ranks;
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
