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

}  // namespace gamlp::test
