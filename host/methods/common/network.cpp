#include "host/methods/common/network.hpp"

#include <algorithm>
#include <cmath>

#include "host/core/error.hpp"
#include "host/math/random.hpp"

namespace gamlp {
namespace {

LayerWeights identity_layer(std::int64_t outputs, std::int64_t inputs) {
  LayerWeights layer{Matrix(outputs, inputs), std::vector<float>(static_cast<std::size_t>(outputs))};
  for (std::int64_t i = 0; i < std::min(outputs, inputs); ++i) layer.w(i, i) = 1.0f;
  return layer;
}

// Weights, then biases, each from a call.
template <class W, class B>
LayerWeights filled_layer(std::int64_t outputs, std::int64_t inputs, W next_w, B next_b) {
  LayerWeights layer{Matrix(outputs, inputs), std::vector<float>(static_cast<std::size_t>(outputs))};
  for (std::int64_t i = 0; i < layer.w.size(); ++i) layer.w.data()[i] = static_cast<float>(next_w());
  for (float& b : layer.b) b = static_cast<float>(next_b());
  return layer;
}

LayerWeights random_layer(std::int64_t outputs, std::int64_t inputs, double scale_w, double scale_b,
                          std::uint64_t key) {
  Random random(key);
  return filled_layer(
      outputs, inputs, [&] { return scale_w * random.normal(); }, [&] { return scale_b * random.normal(); });
}

// torch.nn.Linear.
LayerWeights uniform_layer(std::int64_t outputs, std::int64_t inputs, std::int64_t fan_in, std::uint64_t key) {
  Random random(key);
  const double bound = 1.0 / std::sqrt(static_cast<double>(fan_in));
  const auto next = [&] { return bound * (2.0 * random.uniform() - 1.0); };
  return filled_layer(outputs, inputs, next, next);
}

constexpr double kPaperScale = 0.1;

// A layer after the first.
LayerWeights later_layer(std::int64_t outputs, std::int64_t inputs, Init init, std::uint64_t key) {
  if (init == Init::identity) return identity_layer(outputs, inputs);
  if (init == Init::pytorch) return uniform_layer(outputs, inputs, inputs, key);
  return random_layer(outputs, inputs, kPaperScale, kPaperScale, key);
}

}  // namespace

std::vector<std::int64_t> layer_widths(int layers, std::int64_t inputs, std::int64_t width, std::int64_t classes) {
  std::vector<std::int64_t> widths(static_cast<std::size_t>(layers) + 1, width);
  widths.front() = inputs;
  widths.back() = classes;
  return widths;
}

Network initial_network(const std::vector<std::int64_t>& widths, const MethodConfig& method, std::uint64_t seed,
                        std::int64_t features) {
  Network network;
  for (std::size_t l = 1; l < widths.size(); ++l) {
    const std::uint64_t key = random_key(seed, 1, l);
    if (l > 1) {
      network.push_back(later_layer(widths[l], widths[l - 1], method.init, key));
    } else if (method.init == Init::pytorch) {
      network.push_back(uniform_layer(widths[1], widths[0], features > 0 ? features : widths[0], key));
    } else {
      const double scale_b = method.init == Init::normal ? kPaperScale : 0.0;
      network.push_back(random_layer(widths[l], widths[l - 1], method.init_scale_first, scale_b, key));
    }
  }
  return network;
}

Network grown(const Network& network, int layers, const MethodConfig& method, std::uint64_t seed) {
  expects(!network.empty() && static_cast<std::size_t>(layers) >= network.size(), "a stage never loses layers");
  if (static_cast<std::size_t>(layers) == network.size()) return network;
  Network result(network.begin(), network.end() - 1);
  const LayerWeights& head = network.back();
  const std::int64_t width = head.w.cols();
  const auto key = [&] { return random_key(seed, 3, result.size() + 1); };  // not those of initial_network()
  while (result.size() + 1 < static_cast<std::size_t>(layers)) {
    result.push_back(later_layer(width, width, method.init, key()));
  }
  if (method.growth_head == GrowthHead::keep) {
    result.push_back(head);
  } else {
    const Init init = method.init == Init::normal ? Init::identity : method.init;
    result.push_back(later_layer(head.w.rows(), width, init, key()));
  }
  return result;
}

Network mean_of(std::vector<Network> networks) {
  Network mean = std::move(networks.front());
  if (networks.size() == 1) return mean;
  const auto average = [&](std::size_t l, float* out, std::int64_t count, auto values_of) {
    for (std::int64_t i = 0; i < count; ++i) {
      double sum = static_cast<double>(out[i]);
      for (std::size_t r = 1; r < networks.size(); ++r) sum += static_cast<double>(values_of(networks[r][l])[i]);
      out[i] = static_cast<float>(sum / static_cast<double>(networks.size()));
    }
  };
  for (std::size_t l = 0; l < mean.size(); ++l) {
    average(l, mean[l].w.data(), mean[l].w.size(), [](const LayerWeights& layer) { return layer.w.data(); });
    average(l, mean[l].b.data(), static_cast<std::int64_t>(mean[l].b.size()),
            [](const LayerWeights& layer) { return layer.b.data(); });
  }
  return mean;
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
