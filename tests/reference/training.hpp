// One iteration of each update on plain double matrices, straight from the formulas of the method (rows are nodes).
// Nothing is carried from one iteration to the next but the variables themselves, and, where p is quantised, the step
// size of the gradient update and what the codecs carry.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tests/reference/codec.hpp"
#include "tests/reference/prox.hpp"

namespace reference {

struct Layer {
  Dense w;  // outputs × inputs
  std::vector<double> b;
  Dense p;  // nodes × inputs; layer 1: the inputs
  Dense z;
  Dense q, u;  // all but the last layer
  Dense v;     // exact update
  Channel p_way, q_way;
  double tau = 0.0;  // gradient update, of a quantised p
};

struct Rules {
  Activation f;
  double nu = 1.0, rho = 1.0;
  std::vector<double> mu;                                     // per layer
  double beta = 0.9, nu2 = 4.0, kappa = 1e-3, lambda = 10.0;  // exact update; nu2 relative to rho
  std::function<void(Dense&)> jitter;                         // called on every linear system and right-hand side
  Codec p, q;
  std::vector<std::pair<Index, int>> schedule;  // (epoch of the stage, bits of quantised tensors from there on)

  Codec at(Codec codec, Index epoch) const {
    for (const auto& [from, bits] : schedule) {
      if (codec.quantized() && epoch >= from) codec.bits = bits;
    }
    return codec;
  }
};

using Variables = std::map<std::string, std::vector<double>>;

struct State {
  std::vector<Layer> layers;
  std::vector<int> labels;
  Index epoch = 0;  // iterations of the stage
  // What a program holds after the next iteration ("p2", "q1", "z1"), see encode() and prox(), or null.
  const Variables* follow = nullptr;
  double excess = 0.0;  // of prox()

  const std::vector<double>* seen(char what, std::size_t layer) const {
    return follow == nullptr ? nullptr : &follow->at(what + std::to_string(layer + 1));
  }
};

inline Dense linear(const Layer& l) {
  Dense a = product(l.p, transposed(l.w));
  for (Index i = 0; i < a.rows; ++i) {
    for (Index j = 0; j < a.cols; ++j) a(i, j) += l.b[static_cast<std::size_t>(j)];
  }
  return a;
}

inline Dense applied(const Activation& f, const Dense& z) {
  Dense out = z;
  for (double& x : out.values) x = f(x);
  return out;
}

// A stage starts: z, q, p by a forward pass, u = v = 0.
inline void forward(State& s, const Activation& f) {
  s.epoch = 0;
  s.excess = 0.0;
  for (std::size_t l = 0; l < s.layers.size(); ++l) {
    Layer& layer = s.layers[l];
    layer.p_way = layer.q_way = {};
    layer.tau = 0.0;
    layer.z = linear(layer);
    layer.v = Dense(layer.z.rows, layer.z.cols);
    if (l + 1 == s.layers.size()) break;
    layer.q = applied(f, layer.z);
    layer.u = Dense(layer.z.rows, layer.z.cols);
    s.layers[l + 1].p = layer.q;
  }
}

inline Dense softmax_rows(const Dense& target, const std::vector<int>& labels, double nu) {
  Dense z = target;
  for (Index i = 0; i < z.rows; ++i) {
    std::vector<double> row(static_cast<std::size_t>(z.cols));
    for (Index j = 0; j < z.cols; ++j) row[static_cast<std::size_t>(j)] = target(i, j);
    row = softmax_prox(row, labels[static_cast<std::size_t>(i)], nu);
    for (Index j = 0; j < z.cols; ++j) z(i, j) = row[static_cast<std::size_t>(j)];
  }
  return z;
}

inline double total_risk(const State& s) {
  const Dense& z = s.layers.back().z;
  double risk = 0.0;
  for (Index i = 0; i < z.rows; ++i) {
    std::vector<double> row(static_cast<std::size_t>(z.cols));
    for (Index j = 0; j < z.cols; ++j) row[static_cast<std::size_t>(j)] = z(i, j);
    risk += cross_entropy(row, s.labels[static_cast<std::size_t>(i)]);
  }
  return risk;
}

// L_ρ; `nu2` weighs ||q − f(z)||² (ν itself for the gradient update).
inline double objective(const State& s, const Rules& rules, double nu2) {
  double value = total_risk(s);
  for (std::size_t l = 0; l < s.layers.size(); ++l) {
    const Layer& layer = s.layers[l];
    value += 0.5 * rules.nu * norm2(sum(linear(layer), layer.z, -1.0)) + 0.5 * rules.mu[l] * norm2(layer.w);
    if (l + 1 == s.layers.size()) break;
    const Dense gap = sum(s.layers[l + 1].p, layer.q, -1.0);
    value += 0.5 * nu2 * norm2(sum(layer.q, applied(rules.f, layer.z), -1.0)) + inner(layer.u, gap) +
             0.5 * rules.rho * norm2(gap);
  }
  return value;
}

inline void q_and_dual(Layer& l, const Dense& p_next, const Rules& rules, double nu2, Index epoch = 0,
                       const std::vector<double>* seen = nullptr) {
  Dense target = l.q;
  for (std::size_t i = 0; i < target.values.size(); ++i) {
    target.values[i] =
        (rules.rho * p_next.values[i] + l.u.values[i] + nu2 * rules.f(l.z.values[i])) / (rules.rho + nu2);
  }
  l.q_way.codec = rules.at(rules.q, epoch);
  encode(l.q_way, target, l.q, seen);
  l.u = sum(l.u, sum(p_next, l.q, -1.0), rules.rho);
}

// Σ ||p_{l+1} − q_l||² over the boundaries.
inline double residual(const State& s) {
  double value = 0.0;
  for (std::size_t l = 0; l + 1 < s.layers.size(); ++l) value += norm2(sum(s.layers[l + 1].p, s.layers[l].q, -1.0));
  return value;
}

inline double relative_residual(const State& s) {
  double q2 = 0.0;
  for (std::size_t l = 0; l + 1 < s.layers.size(); ++l) q2 += norm2(s.layers[l].q);
  return residual(s) / q2;
}

// Σ ||q_l − q_l before||² / Σ ||q_l||².
inline double dual_residual(const State& before, const State& s) {
  double step2 = 0.0, q2 = 0.0;
  for (std::size_t l = 0; l + 1 < s.layers.size(); ++l) {
    step2 += norm2(sum(s.layers[l].q, before.layers[l].q, -1.0));
    q2 += norm2(s.layers[l].q);
  }
  return step2 / q2;
}

// New layers, identities without a bias, before the head, which stays.
inline void grow(State& s, std::size_t layers) {
  while (s.layers.size() < layers) {
    const Index width = s.layers.back().w.cols;
    Layer inserted;
    inserted.w = Dense(width, width);
    for (Index i = 0; i < width; ++i) inserted.w(i, i) = 1.0;
    inserted.b.assign(static_cast<std::size_t>(width), 0.0);
    s.layers.insert(s.layers.end() - 1, inserted);
  }
}

// (ν||W d||² + ρ||d||²)/||d||², the curvature of φ along a change d of p.
inline double curvature(const Dense& d, const Dense& w, const Rules& rules) {
  const double d2 = norm2(d);
  return (rules.nu * norm2(product(d, transposed(w))) + rules.rho * d2) / d2;
}

inline Dense first_rows(const Dense& x, Index rows) {
  Dense out(rows, x.cols);
  std::copy_n(x.values.begin(), out.values.size(), out.values.begin());
  return out;
}

// p ← x̂ of p − g/τ. τ is the curvature along the last change of p, but at most a tenth below the τ before it. It is the
// gradient's own in the iteration in which the first gradient reaches the layer, counted from the head down, and
// always with 1 bit, there of a quarter of the nodes.
inline void quantized_p(State& s, std::size_t layer, const Dense& g, const Rules& rules) {
  Layer& l = s.layers[layer];
  const bool reached = s.epoch == static_cast<Index>(s.layers.size() - layer);
  const bool one_bit = l.p_way.codec.bits == 1;
  if (reached || one_bit) {
    const Dense part = reached ? g : first_rows(g, (g.rows + 3) / 4);
    if (norm2(part) > 0.0) l.tau = curvature(part, l.w, rules);
  }
  const Dense old = l.p;
  encode(l.p_way, l.tau > 0.0 ? sum(old, g, -1.0 / l.tau) : old, l.p, s.seen('p', layer));
  const Dense change = sum(l.p, old, -1.0);
  if (!one_bit && norm2(change) > 0.0) l.tau = std::max(curvature(change, l.w, rules), 0.9 * l.tau);
}

inline void gradient_iteration(State& s, const Rules& rules) {
  const double nu = rules.nu, rho = rules.rho;
  for (std::size_t l = 1; l < s.layers.size(); ++l) {  // p, with the q and u of the last iteration
    Layer& layer = s.layers[l];
    const Layer& below = s.layers[l - 1];
    const Dense r = sum(linear(layer), layer.z, -1.0);
    Dense g = product(r, layer.w);
    for (std::size_t i = 0; i < g.values.size(); ++i) {
      g.values[i] = nu * g.values[i] + below.u.values[i] + rho * (layer.p.values[i] - below.q.values[i]);
    }
    layer.p_way.codec = rules.at(rules.p, s.epoch);
    if (layer.p_way.codec.quantized()) {
      quantized_p(s, l, g, rules);
    } else if (norm2(g) > 0.0) {
      layer.tau = curvature(g, layer.w, rules);
      layer.p = sum(layer.p, g, -1.0 / layer.tau);
    }
  }
  for (std::size_t l = 0; l < s.layers.size(); ++l) {
    Layer& layer = s.layers[l];
    Dense r = sum(linear(layer), layer.z, -1.0);
    Dense g = product(transposed(r), layer.p);
    for (std::size_t i = 0; i < g.values.size(); ++i) g.values[i] = nu * g.values[i] + rules.mu[l] * layer.w.values[i];
    const double g2 = norm2(g);
    if (g2 > 0.0) {
      const double theta = (nu * norm2(product(layer.p, transposed(g))) + rules.mu[l] * g2) / g2;
      if (theta > 0.0) layer.w = sum(layer.w, g, -1.0 / theta);
    }
    r = sum(linear(layer), layer.z, -1.0);
    const std::vector<double> means = column_means(r);
    for (std::size_t j = 0; j < layer.b.size(); ++j) layer.b[j] -= means[j];

    const Dense a = linear(layer);
    if (l + 1 == s.layers.size()) {
      layer.z = softmax_rows(a, s.labels, nu);
      continue;
    }
    const std::vector<double>* seen = s.seen('z', l);
    for (std::size_t i = 0; i < a.values.size(); ++i) {  // (z−a)² + (q−f)² + (z−z_old)² = 2 [(z−m)² + ½ (q−f)²] + const
      const double m = 0.5 * (a.values[i] + layer.z.values[i]);
      layer.z.values[i] = prox(rules.f, m, layer.q.values[i], 0.5, seen ? &(*seen)[i] : nullptr, &s.excess);
    }
    q_and_dual(layer, s.layers[l + 1].p, rules, nu, s.epoch, s.seen('q', l));
  }
  ++s.epoch;
}

// Layer l's W and b: W minimises (ν/2)||T − PWᵀ − 1bᵀ||² + (θ/2)||W − W_old||² + (λ'/2)||W − I||² + (μ/2)||W||² jointly
// with a free b. One (n+1) × (n+1) system with the bias as last column, whose ridge is 0.
inline void exact_weights(Layer& l, const Dense& t, const Rules& rules, double mu, bool inner_layer) {
  const Index n = l.w.cols, m = l.w.rows, nodes = l.p.rows;
  Dense p1(nodes, n + 1, 1.0);
  for (Index i = 0; i < nodes; ++i) {
    for (Index j = 0; j < n; ++j) p1(i, j) = l.p(i, j);
  }
  const double g = norm2(l.p) / static_cast<double>(n);
  const double theta = rules.kappa * rules.nu * g;
  const double identity = inner_layer ? rules.lambda * rules.nu * g : 0.0;
  Dense a = product(transposed(p1), p1), rhs = product(transposed(p1), t);
  for (double& x : a.values) x *= rules.nu;
  for (double& x : rhs.values) x *= rules.nu;
  for (Index j = 0; j < n; ++j) {
    a(j, j) += std::max(theta + identity + mu, 1e-30);
    for (Index i = 0; i < m; ++i) rhs(j, i) += theta * l.w(i, j) + (i == j ? identity : 0.0);
  }
  if (rules.jitter) {
    rules.jitter(a);
    rules.jitter(rhs);
  }
  const Dense x = solved(a, rhs);
  for (Index i = 0; i < m; ++i) {
    for (Index j = 0; j < n; ++j) l.w(i, j) = x(j, i);
    l.b[static_cast<std::size_t>(i)] = x(n, i);
  }
}

inline void exact_iteration(State& s, const Rules& rules) {
  const double nu = rules.nu, rho = rules.rho, nu2 = rules.nu2 * rho;
  for (std::size_t l = 1; l < s.layers.size(); ++l) {  // p minimises (ν/2)||T − b − Wp||² + <u, p> + (ρ/2)||p − q||²
    Layer& layer = s.layers[l];
    const Layer& below = s.layers[l - 1];
    Dense m = product(transposed(layer.w), layer.w);
    for (double& x : m.values) x *= nu;
    for (Index i = 0; i < m.rows; ++i) m(i, i) += rho;
    Dense t = sum(layer.z, layer.v, -1.0);
    for (Index i = 0; i < t.rows; ++i) {
      for (Index j = 0; j < t.cols; ++j) t(i, j) -= layer.b[static_cast<std::size_t>(j)];
    }
    Dense rhs = product(t, layer.w);
    for (std::size_t i = 0; i < rhs.values.size(); ++i) {
      rhs.values[i] = nu * rhs.values[i] + rho * below.q.values[i] - below.u.values[i];
    }
    if (rules.jitter) {
      rules.jitter(m);
      rules.jitter(rhs);
    }
    layer.p_way.codec = rules.at(rules.p, s.epoch);
    encode(layer.p_way, transposed(solved(m, transposed(rhs))), layer.p, s.seen('p', l));
  }
  for (std::size_t l = 0; l < s.layers.size(); ++l) {
    Layer& layer = s.layers[l];
    const bool first = l == 0, last = l + 1 == s.layers.size();
    exact_weights(layer, sum(layer.z, layer.v, -1.0), rules, rules.mu[l], !first && !last);
    const Dense target = sum(linear(layer), layer.v);
    if (last) {
      layer.z = softmax_rows(target, s.labels, nu);
    } else {
      const Dense& p_next = s.layers[l + 1].p;
      const double k = nu2 * rho / (nu2 + rho) / nu;
      const std::vector<double>* seen = s.seen('z', l);
      for (std::size_t i = 0; i < target.values.size(); ++i) {
        layer.z.values[i] = prox(rules.f, target.values[i], p_next.values[i] + layer.u.values[i] / rho, k,
                                 seen ? &(*seen)[i] : nullptr, &s.excess);
      }
    }
    for (std::size_t i = 0; i < target.values.size(); ++i) {
      layer.v.values[i] = rules.beta * (target.values[i] - layer.z.values[i]);
    }
    if (!last) q_and_dual(layer, s.layers[l + 1].p, rules, nu2, s.epoch, s.seen('q', l));
  }
  ++s.epoch;
}

}  // namespace reference
