// Activations f and the hidden layers' z-update.
//
// Both updates of the method minimise, per element,   (z − m)² + k (c − f(z))²   over z:
//   gradient (algorithm.md §3.4):  m = (a + z_old)/2, c = q_l,              k = 1/2
//   exact    (algorithm.md §9.4):  m = a + v,         c = p_{l+1} + u/ρ,    k = (ν2 ρ/(ν2+ρ))/ν
#pragma once

#include "host/math/elementary.hpp"

namespace gamlp {

struct LeakyRelu {  // slope 0 is ReLU
  float slope;
  GAMLP_HD float operator()(float z) const { return z > 0.0f ? z : slope * z; }
};

struct Tanh {
  GAMLP_HD float operator()(float z) const { return fast_tanh(z); }
};

// The two half-lines have one minimiser each; the better of them is the global one (for slope >= 0).
GAMLP_HD inline float prox_activation(LeakyRelu f, float m, float c, float k) {
  const float s = f.slope;
  float negative = (m + k * s * c) / (1.0f + k * s * s);
  float positive = (m + k * c) / (1.0f + k);
  negative = negative < 0.0f ? negative : 0.0f;
  positive = positive > 0.0f ? positive : 0.0f;
  const float gap_n = c - s * negative, gap_p = c - positive;
  const float value_n = (negative - m) * (negative - m) + k * gap_n * gap_n;
  const float value_p = (positive - m) * (positive - m) + k * gap_p * gap_p;
  return value_p < value_n ? positive : negative;
}

// No closed form. Every minimiser lies between m and the point where the pull of the second term ends
// (|z − m| = k |c − f| f' <= k (|c| + 1)). A scan finds the best of 17 points there, then bisection on the
// derivative closes in from its neighbours: 20 halvings of an interval that held a minimiser.
GAMLP_HD inline float prox_activation(Tanh f, float m, float c, float k) {
  const float side = c > f(m) ? 1.0f : -1.0f;
  const float magnitude = c < 0.0f ? -c : c;
  const float step = side * k * (magnitude + 1.0f) * (1.0f / 16.0f);
  int best = 0;
  float best_value = 0.0f;
  for (int i = 0; i <= 16; ++i) {
    const float z = m + static_cast<float>(i) * step;
    const float gap = c - f(z);
    const float value = (z - m) * (z - m) + k * gap * gap;
    if (i == 0 || value < best_value) {
      best = i;
      best_value = value;
    }
  }
  float near = m + static_cast<float>(best > 0 ? best - 1 : 0) * step;
  float far = m + static_cast<float>(best < 16 ? best + 1 : 16) * step;
  for (int i = 0; i < 20; ++i) {
    const float middle = 0.5f * (near + far);
    const float t = f(middle);
    const float slope = (middle - m) - k * (c - t) * (1.0f - t * t);  // half the derivative
    const bool before = slope * side < 0.0f;                          // still falling, seen from m
    near = before ? middle : near;
    far = before ? far : middle;
  }
  const float z = 0.5f * (near + far);
  const float gap = c - f(z);
  // The scan's best point stays when the bracket held no interior minimum (rounding at tiny steps).
  return (z - m) * (z - m) + k * gap * gap <= best_value ? z : m + static_cast<float>(best) * step;
}

// q_l minimises (ρ/2)||p − q||² − <u, q> + (ν2/2)||q − f(z)||²  (algorithm.md §3.5, §9.5).
GAMLP_HD inline float q_target(float p, float u, float fz, float rho, float nu2, float inverse_sum) {
  return (rho * p + u + nu2 * fz) * inverse_sum;
}

// u_l after q_l (algorithm.md §3.6).
GAMLP_HD inline float dual_step(float u, float p, float q, float rho) { return u + rho * (p - q); }

// 1/τ of an unprojected gradient step of exact length: τ = (ν·image2 + c·gradient2)/gradient2, where
// image2 = ||W g||² (or ||G p||²) and gradient2 = ||g||² (or ||G||²). A zero gradient makes no step.
GAMLP_HD inline float inverse_step(double gradient2, double image2, double nu, double c) {
  const double denominator = nu * image2 + c * gradient2;
  return denominator > 0.0 ? static_cast<float>(gradient2 / denominator) : 0.0f;
}

}  // namespace gamlp
