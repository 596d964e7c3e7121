// Activations and the two proximal problems, in double: per element  (z − m)² + k (c − f(z))²,  and per node
// logsumexp(z) − z_y + (ν/2)||z − a||².
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "tests/reference/dense.hpp"

namespace reference {

struct Activation {
  enum Kind { relu, leaky, tanh } kind = relu;
  double slope = 0.0;

  double operator()(double z) const {
    if (kind == tanh) return std::tanh(z);
    return z > 0.0 ? z : (kind == leaky ? slope * z : 0.0);
  }
};

inline double prox_value(const Activation& f, double m, double c, double k, double z) {
  const double gap = c - f(z);
  return (z - m) * (z - m) + k * gap * gap;
}

// Brute force. A minimiser is no worse than z = m, so |z − m| <= sqrt(k)|c − f(m)|; the interval is searched on a
// grid, then three times on a finer one around the best point.
inline double brute_prox(const Activation& f, double m, double c, double k) {
  const double reach = std::sqrt(k) * std::abs(c - f(m));
  double low = m - reach, high = m + reach, best = m, best_value = prox_value(f, m, c, k, m);
  const auto look = [&](double z) {
    const double value = prox_value(f, m, c, k, z);
    if (value < best_value) best = z, best_value = value;
  };
  for (int round = 0; round < 4; ++round) {
    const int points = round == 0 ? 2000 : 100;
    const double step = (high - low) / points;
    for (int i = 0; i <= points; ++i) look(low + i * step);
    look(0.0);  // the kink
    low = best - step, high = best + step;
  }
  return best;
}

// The same minimiser for the iterations: in closed form where the activation is piecewise linear. Between two minima
// that are equally good the last bit decides. `seen`: what a program in float32 took, or null; its side of 0 is
// followed, and `excess` becomes at least how far in z that is from being right.
inline double prox(const Activation& f, double m, double c, double k, const double* seen = nullptr,
                   double* excess = nullptr) {
  if (f.kind == Activation::tanh) return brute_prox(f, m, c, k);
  const double s = f.kind == Activation::leaky ? f.slope : 0.0;
  const double below = std::min((m + k * s * c) / (1.0 + k * s * s), 0.0);
  const double above = std::max((m + k * c) / (1.0 + k), 0.0);
  const double value_below = prox_value(f, m, c, k, below), value_above = prox_value(f, m, c, k, above);
  if (seen == nullptr) return value_above < value_below ? above : below;
  const double chosen = *seen > 0.0 ? value_above : value_below, best = std::min(value_above, value_below);
  *excess = std::max(*excess, std::sqrt(chosen) - std::sqrt(best));
  return *seen > 0.0 ? above : below;
}

inline double cross_entropy(const std::vector<double>& z, Index label) {
  const double top = *std::max_element(z.begin(), z.end());
  double s = 0.0;
  for (const double x : z) s += std::exp(x - top);
  return std::log(s) + top - z[static_cast<std::size_t>(label)];
}

inline std::vector<double> softmax_prox_gradient(const std::vector<double>& a, Index label, double nu,
                                                 const std::vector<double>& z) {
  const double top = *std::max_element(z.begin(), z.end());
  double s = 0.0;
  for (const double x : z) s += std::exp(x - top);
  std::vector<double> g(z.size());
  for (std::size_t i = 0; i < z.size(); ++i) {
    g[i] = std::exp(z[i] - top) / s - (static_cast<Index>(i) == label ? 1.0 : 0.0) + nu * (z[i] - a[i]);
  }
  return g;
}

inline double softmax_prox_value(const std::vector<double>& a, Index label, double nu, const std::vector<double>& z) {
  double d = 0.0;
  for (std::size_t i = 0; i < z.size(); ++i) d += (z[i] - a[i]) * (z[i] - a[i]);
  return cross_entropy(z, label) + 0.5 * nu * d;
}

// Not by Newton in R^C, but through one unknown, λ = logsumexp(z). Where the gradient vanishes, s_i + ν z_i = c_i
// with c = νa + e_y; for a given λ, x_i = log s_i = z_i − λ solves  x + exp(x)/ν = c_i/ν − λ, and Σ exp(x_i) falls
// with λ: bisection until Σ s = 1.
inline std::vector<double> softmax_prox(const std::vector<double>& a, Index label, double nu) {
  std::vector<double> x(a.size());
  const auto mass = [&](double lambda) {
    double total = 0.0;
    for (std::size_t i = 0; i < a.size(); ++i) {
      const double k = a[i] + (static_cast<Index>(i) == label ? 1.0 / nu : 0.0) - lambda;
      double t = k > 1.0 ? std::log(nu * k) : k;
      for (int step = 0; step < 100; ++step) {  // convex and increasing: Newton
        const double e = std::exp(t) / nu, change = (t + e - k) / (1.0 + e);
        t -= change;
        if (std::abs(change) <= 1e-15 * (1.0 + std::abs(t))) break;
      }
      x[i] = t;
      total += std::exp(t);
    }
    return total;
  };
  double low = *std::min_element(a.begin(), a.end()) - 2.0 / nu;
  double high = *std::max_element(a.begin(), a.end()) + 2.0 / nu + std::log(static_cast<double>(a.size()));
  for (int step = 0; step < 200 && high - low > 1e-15 * (std::abs(low) + std::abs(high)); ++step) {
    const double middle = 0.5 * (low + high);
    (mass(middle) > 1.0 ? low : high) = middle;
  }
  const double lambda = 0.5 * (low + high);
  mass(lambda);
  std::vector<double> z(a.size());
  for (std::size_t i = 0; i < a.size(); ++i) z[i] = x[i] + lambda;
  return z;
}

}  // namespace reference
