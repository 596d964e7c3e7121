// Full-batch backpropagation of an MLP with softmax cross-entropy in double precision, and PyTorch's optimisers as its
// documentation states them. The loss is the mean over the nodes.
#pragma once

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "tests/reference/training.hpp"

namespace reference {

struct Weights {
  Dense w;  // outputs × inputs
  std::vector<double> b;
};
using Mlp = std::vector<Weights>;

inline double derivative(const Activation& f, double z) {
  if (f.kind == Activation::tanh) return 1.0 - std::tanh(z) * std::tanh(z);
  return z > 0.0 ? 1.0 : f.kind == Activation::relu ? 0.0 : f.slope;
}

// Dropout: what input `column` of layer `layer` (0-based) is multiplied by for a node. Empty: nothing is dropped.
using Mask = std::function<double(std::size_t layer, Index node, Index column)>;

inline Dense masked(Dense inputs, std::size_t layer, const Mask& mask) {
  for (Index i = 0; mask && i < inputs.rows; ++i) {
    for (Index j = 0; j < inputs.cols; ++j) inputs(i, j) *= mask(layer, i, j);
  }
  return inputs;
}

// W x + b of every layer.
inline std::vector<Dense> linear_outputs(const Mlp& mlp, const Dense& x, const Activation& f, const Mask& mask = {}) {
  std::vector<Dense> all;
  for (std::size_t l = 0; l < mlp.size(); ++l) {
    Layer layer;
    layer.w = mlp[l].w, layer.b = mlp[l].b;
    layer.p = masked(l == 0 ? x : applied(f, all.back()), l, mask);
    all.push_back(linear(layer));
  }
  return all;
}

inline double mean_loss(const Mlp& mlp, const Dense& x, const std::vector<int>& labels, const Activation& f,
                        const Mask& mask = {}) {
  State s;
  s.labels = labels;
  s.layers.resize(1);
  s.layers[0].z = linear_outputs(mlp, x, f, mask).back();
  return total_risk(s) / static_cast<double>(labels.size());
}

// The gradient of mean_loss().
inline Mlp gradient(const Mlp& mlp, const Dense& x, const std::vector<int>& labels, const Activation& f,
                    const Mask& mask = {}) {
  const std::vector<Dense> z = linear_outputs(mlp, x, f, mask);
  Dense delta = z.back();
  for (Index i = 0; i < delta.rows; ++i) {
    double top = delta(i, 0), sum = 0.0;
    for (Index j = 0; j < delta.cols; ++j) top = std::max(top, delta(i, j));
    for (Index j = 0; j < delta.cols; ++j) sum += std::exp(delta(i, j) - top);
    for (Index j = 0; j < delta.cols; ++j) delta(i, j) = std::exp(delta(i, j) - top) / sum;
    delta(i, labels[static_cast<std::size_t>(i)]) -= 1.0;
  }
  for (double& value : delta.values) value /= static_cast<double>(x.rows);
  Mlp out(mlp.size());
  for (std::size_t l = mlp.size(); l-- > 0;) {
    out[l].w = product(transposed(delta), masked(l == 0 ? x : applied(f, z[l - 1]), l, mask));
    for (const double mean : column_means(delta)) out[l].b.push_back(mean * static_cast<double>(delta.rows));
    if (l == 0) break;
    delta = masked(product(delta, mlp[l].w), l, mask);
    for (std::size_t i = 0; i < delta.values.size(); ++i) delta.values[i] *= derivative(f, z[l - 1].values[i]);
  }
  return out;
}

// Calls visit(i, number) for every weight and bias in turn.
inline void each_number(Mlp& mlp, const std::function<void(std::size_t, double&)>& visit) {
  std::size_t i = 0;
  for (Weights& layer : mlp) {
    for (double& value : layer.w.values) visit(i++, value);
    for (double& value : layer.b) visit(i++, value);
  }
}

struct OptimizerSettings {
  std::string name;  // "gd", "nesterov", "adadelta", "adagrad", "adam"
  double rate = 0.1, momentum = 0.9, beta1 = 0.9, beta2 = 0.999, rho = 0.9, eps = 1e-8, decay = 0.0;
  bool decoupled = false;     // AdamW
  std::vector<double> rates;  // by step; empty: rate
};

class Optimizer {
 public:
  explicit Optimizer(OptimizerSettings settings) : s_(std::move(settings)) {}

  void step(Mlp& mlp, Mlp gradient) {
    if (static_cast<std::size_t>(t_) < s_.rates.size()) s_.rate = s_.rates[static_cast<std::size_t>(t_)];
    ++t_;
    std::vector<double> g;
    each_number(gradient, [&](std::size_t, double& value) { g.push_back(value); });
    first_.resize(g.size()), second_.resize(g.size());
    each_number(mlp, [&](std::size_t i, double& w) {
      if (s_.decoupled) w -= s_.rate * s_.decay * w;
      w -= change(g[i] + (s_.decoupled ? 0.0 : s_.decay * w), first_[i], second_[i]);
    });
  }

 private:
  double change(double g, double& first, double& second) const {
    if (s_.name == "gd") return s_.rate * g;
    if (s_.name == "nesterov") {
      first = s_.momentum * first + g;
      return s_.rate * (g + s_.momentum * first);
    }
    if (s_.name == "adagrad") {
      first += g * g;
      return s_.rate * g / (std::sqrt(first) + s_.eps);
    }
    if (s_.name == "adadelta") {
      first = s_.rho * first + (1.0 - s_.rho) * g * g;
      const double d = std::sqrt(second + s_.eps) / std::sqrt(first + s_.eps) * g;
      second = s_.rho * second + (1.0 - s_.rho) * d * d;
      return s_.rate * d;
    }
    if (s_.name != "adam") throw std::logic_error("reference: no optimiser " + s_.name);
    first = s_.beta1 * first + (1.0 - s_.beta1) * g;
    second = s_.beta2 * second + (1.0 - s_.beta2) * g * g;
    const double mean = first / (1.0 - std::pow(s_.beta1, t_)), square = second / (1.0 - std::pow(s_.beta2, t_));
    return s_.rate * mean / (std::sqrt(square) + s_.eps);
  }

  OptimizerSettings s_;
  int t_ = 0;
  std::vector<double> first_, second_;
};

}  // namespace reference
