#include "host/admm/network.hpp"

#include <algorithm>
#include <cmath>

#include "host/core/error.hpp"
#include "host/core/random.hpp"

namespace gamlp {
namespace {

LayerWeights identity_layer(std::int64_t outputs, std::int64_t inputs) {
  LayerWeights layer{Matrix(outputs, inputs), std::vector<float>(static_cast<std::size_t>(outputs))};
  for (std::int64_t i = 0; i < std::min(outputs, inputs); ++i) layer.w(i, i) = 1.0f;
  return layer;
}

LayerWeights random_layer(std::int64_t outputs, std::int64_t inputs, double scale_w, double scale_b,
                          std::uint64_t key) {
  LayerWeights layer{Matrix(outputs, inputs), std::vector<float>(static_cast<std::size_t>(outputs))};
  Random random(key);
  for (std::int64_t i = 0; i < layer.w.size(); ++i) layer.w.data()[i] = static_cast<float>(scale_w * random.normal());
  for (float& b : layer.b) b = static_cast<float>(scale_b * random.normal());
  return layer;
}

constexpr double kPaperScale = 0.1;

}  // namespace

std::vector<std::int64_t> layer_widths(int layers, std::int64_t inputs, std::int64_t width, std::int64_t classes) {
  std::vector<std::int64_t> widths(static_cast<std::size_t>(layers) + 1, width);
  widths.front() = inputs;
  widths.back() = classes;
  return widths;
}

Network initial_network(const std::vector<std::int64_t>& widths, double scale_first, bool identity,
                        std::uint64_t seed) {
  Network network;
  for (std::size_t l = 1; l < widths.size(); ++l) {
    const std::uint64_t key = random_key(seed, 1, l);
    if (l == 1) {
      network.push_back(random_layer(widths[l], widths[l - 1], scale_first, identity ? 0.0 : kPaperScale, key));
    } else if (identity) {
      network.push_back(identity_layer(widths[l], widths[l - 1]));
    } else {
      network.push_back(random_layer(widths[l], widths[l - 1], kPaperScale, kPaperScale, key));
    }
  }
  return network;
}

Network grown(const Network& network, int layers, bool restart_head, bool identity, std::uint64_t seed) {
  expects(!network.empty() && static_cast<std::size_t>(layers) >= network.size(), "a stage never loses layers");
  Network result(network.begin(), network.end() - 1);
  const LayerWeights& head = network.back();
  const std::int64_t width = head.w.cols();
  while (result.size() + 1 < static_cast<std::size_t>(layers)) {
    result.push_back(
        identity ? identity_layer(width, width)
                 : random_layer(width, width, kPaperScale, kPaperScale, random_key(seed, 1, result.size() + 1)));
  }
  result.push_back(restart_head ? identity_layer(head.w.rows(), width) : head);
  return result;
}

void check_finite(const Network& network) {
  const auto finite = [](const float* x, std::int64_t n) {
    return std::all_of(x, x + n, [](float v) { return std::isfinite(v); });
  };
  for (std::size_t l = 0; l < network.size(); ++l) {
    const LayerWeights& layer = network[l];
    const bool w = finite(layer.w.data(), layer.w.size());
    if (w && finite(layer.b.data(), static_cast<std::int64_t>(layer.b.size()))) continue;
    throw DivergenceError("layer " + std::to_string(l + 1) + ": " + (w ? "b" : "W") + " is not finite");
  }
}

}  // namespace gamlp
