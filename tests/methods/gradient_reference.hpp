// What a training has, as the double-precision reference of backpropagation takes it.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "tests/methods/training.hpp"
#include "tests/reference/backprop.hpp"
#include "tests/support/catch.hpp"

namespace gamlp::test {

inline reference::Activation reference_of(const ActivationRule& f) {
  if (f.kind == Activation::tanh) return {reference::Activation::tanh, 0.0};
  if (f.slope > 0.0f) return {reference::Activation::leaky, static_cast<double>(f.slope)};
  return {};
}

inline reference::Mlp mlp_of(const Network& network) {
  reference::Mlp mlp;
  for (const LayerWeights& layer : network) {
    reference::Weights out{reference::Dense(layer.w.rows(), layer.w.cols()), {layer.b.begin(), layer.b.end()}};
    std::copy_n(layer.w.data(), layer.w.size(), out.w.values.begin());
    mlp.push_back(std::move(out));
  }
  return mlp;
}

inline std::vector<double> numbers(reference::Mlp mlp) {
  std::vector<double> out;
  reference::each_number(mlp, [&](std::size_t, double& value) { out.push_back(value); });
  return out;
}

inline double largest_difference(const std::vector<double>& a, const std::vector<double>& b) {
  REQUIRE(a.size() == b.size());
  double most = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) most = std::max(most, std::fabs(a[i] - b[i]));
  return most;
}

// The data of a start in double.
struct Data {
  reference::Dense x;
  std::vector<int> labels;
  explicit Data(const Start& start)
      : x(start.x.rows(), start.x.cols()), labels(start.labels.begin(), start.labels.end()) {
    std::copy_n(start.x.data(), start.x.size(), x.values.begin());
  }
};

inline std::vector<double> doubles(const TrainingState& state, const std::string& name) {
  const std::vector<float> x = values_of(state, name);
  return {x.begin(), x.end()};
}

// The gradients of each worker's nodes, scaled so that their mean is that of all nodes; by worker, then tensor.
inline std::vector<std::vector<std::vector<double>>> worker_gradients(const Setup& s, const Start& start,
                                                                      const Network& network,
                                                                      std::int64_t microbatches) {
  const Data data(start);
  const Parts blocks = block_nodes(s.nodes, static_cast<int>(microbatches));
  const Parts shares = Parts::even(microbatches, s.shards, 1);
  std::vector<std::vector<std::vector<double>>> all;
  for (int worker = 0; worker < s.shards; ++worker) {
    const std::int64_t begin = blocks.first(static_cast<int>(shares.first(worker)));
    const std::int64_t end = blocks.first(static_cast<int>(shares.first(worker + 1)));
    reference::Dense x(end - begin, data.x.cols);
    std::copy_n(data.x.values.begin() + begin * data.x.cols, x.values.size(), x.values.begin());
    const std::vector<int> labels(data.labels.begin() + begin, data.labels.begin() + end);
    const reference::Mlp g = reference::gradient(mlp_of(network), x, labels, reference_of(s.activation));
    const double share = static_cast<double>(s.shards * (end - begin)) / static_cast<double>(s.nodes);
    std::vector<std::vector<double>> tensors;
    for (const reference::Weights& layer : g) {
      for (const auto& values : {layer.w.values, layer.b}) {
        tensors.push_back(values);
        for (double& value : tensors.back()) value *= share;
      }
    }
    all.push_back(std::move(tensors));
  }
  return all;
}

}  // namespace gamlp::test
