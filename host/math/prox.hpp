// The activations f, the z-update of the hidden layers, and the rules of the other updates of one element.
//
// In both updates of pdADMM-G, the z-update minimises, per element,   (z − m)² + k (c − f(z))²   over z:
//   gradient (docs/algorithm.md §3.4):  m = (a + z_old)/2, c = q_l,              k = 1/2
//   exact    (docs/algorithm.md §4.4):  m = a + v,         c = p_{l+1} + u/ρ,    k = (ν2 ρ/(ν2+ρ))/ν
#pragma once

#include "host/math/elementary.hpp"

namespace gamlp {

struct LeakyRelu {  // slope 0 is ReLU
  float slope;
  GAMLP_HD float operator()(float z) const {
    const float low = slope * z;  // computed for every z: a loop over a branch would not vectorise
    return z > 0.0f ? z : low;
  }
};

struct Tanh {
  GAMLP_HD float operator()(float z) const { return fast_tanh(z); }
};

// Returns f'(z), given y = f(z). At 0, where f' jumps, it is that of the negative side, as in PyTorch. On the negative
// side a slope of 0 makes y 0.
GAMLP_HD inline float derivative_at(LeakyRelu f, float y) { return y > 0.0f ? 1.0f : f.slope; }
GAMLP_HD inline float derivative_at(Tanh, float y) { return 1.0f - y * y; }

// Each of the two half-lines has one minimiser. The better of them is the global one (for slope >= 0).
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

// There is no closed form, and there are up to three stationary points. Every minimiser lies between m and the point
// where the pull of the second term ends (|z − m| = k |c − f| f' <= k (|c| + 1)). Where tanh is flat (|z| > 9) there is
// no pull at all. A scan finds the best of m and 17 points in that range. Its neighbours, which are no better, have a
// minimum between them. Then 20 halvings keep one end (`high_end`: the far one) at the best point seen. From that end
// the function falls into the interval, so the interval always holds a minimum.
GAMLP_HD inline float prox_activation(Tanh f, float m, float c, float k) {
  const auto value_at = [&](float z, float t) { return (z - m) * (z - m) + k * (c - t) * (c - t); };
  const auto clamped = [](float z) { return z < -9.0f ? -9.0f : (z > 9.0f ? 9.0f : z); };
  const float fm = f(m), side = c > fm ? 1.0f : -1.0f;
  const float magnitude = c < 0.0f ? -c : c;
  const float first = clamped(m), step = (clamped(m + side * k * (magnitude + 1.0f)) - first) * (1.0f / 16.0f);
  int best = -1;
  float best_value = value_at(m, fm);
  for (int i = 0; i <= 16; ++i) {
    const float z = first + static_cast<float>(i) * step;
    const float value = value_at(z, f(z));
    best = value < best_value || (i == 0 && first == m) ? i : best;
    best_value = value < best_value ? value : best_value;
  }
  if (best < 0) return m;
  const auto rises_at = [&](float z, float t) { return ((z - m) - k * (c - t) * (1.0f - t * t)) * side >= 0.0f; };
  const float start = first + static_cast<float>(best) * step;
  bool high_end = rises_at(start, f(start));
  float near = high_end && best > 0 ? start - step : start;
  float far = !high_end && best < 16 ? start + step : start;
  for (int i = 0; i < 20; ++i) {
    const float middle = 0.5f * (near + far), t = f(middle), value = value_at(middle, t);
    // Values that differ by rounding alone count as equal: the derivative then decides.
    const bool better = value <= best_value + 2e-6f * best_value;
    high_end = better ? rises_at(middle, t) : high_end;
    best_value = value < best_value ? value : best_value;
    const bool lower_far = better == high_end;
    far = lower_far ? middle : far;
    near = lower_far ? near : middle;
  }
  return high_end ? far : near;
}

// Returns q_l, which minimises (ρ/2)||p − q||² − <u, q> + (ν2/2)||q − f(z)||²  (docs/algorithm.md §3.5, §4.5).
// inverse_sum is 1/(ρ + ν2).
GAMLP_HD inline float q_target(float p, float u, float fz, float rho, float nu2, float inverse_sum) {
  return (rho * p + u + nu2 * fz) * inverse_sum;
}

// Returns the new u_l, once q_l is known (docs/algorithm.md §3.6).
GAMLP_HD inline float dual_step(float u, float p, float q, float rho) { return u + rho * (p - q); }

// Returns 1/τ, the exact length of an unprojected gradient step: τ = (ν·image2 + c·gradient2)/gradient2, where
// image2 = ||W g||² (or ||G p||²) and gradient2 = ||g||² (or ||G||²). A zero gradient makes no step: the result is 0.
GAMLP_HD inline float inverse_step(double gradient2, double image2, double nu, double c) {
  const double denominator = nu * image2 + c * gradient2;
  return denominator > 0.0 ? static_cast<float>(gradient2 / denominator) : 0.0f;
}

}  // namespace gamlp
