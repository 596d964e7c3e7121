// The z-update of the last layer (docs/algorithm.md §3.4, §4.4). For each node it minimises, over z in R^C,
//
//     f(z) = logsumexp(z) − z_y + (ν/2) ‖z − a‖²
//
// f is strictly convex. Newton's method with damped steps finds its minimum. With s = softmax(z) the gradient is
// g = s − e_y + ν (z − a), and the Hessian is diag(s) − s sᵀ + ν I. The Sherman–Morrison formula inverts that in O(C).
#pragma once

#include <cstdint>

#include "host/math/elementary.hpp"

namespace gamlp {

// The threads that work on a node, called lanes. OneLane is a thread that works alone. On a GPU several neighbouring
// threads share a node (cuda/kernels/softmax_step.cu), and each has the classes first(), first() + stride(), ….
//   sum(), least(), most()  combine a value of every lane of the node.
//   fence()                 what a lane has written before it, the other lanes may read after it.
//   all()                   whether all nodes are done whose lanes run in lockstep with these: they end together.
struct OneLane {
  GAMLP_HD std::int64_t first() const { return 0; }
  GAMLP_HD std::int64_t stride() const { return 1; }
  GAMLP_HD float sum(float x) const { return x; }
  GAMLP_HD float least(float x) const { return x; }
  GAMLP_HD float most(float x) const { return x; }
  GAMLP_HD bool all(bool done) const { return done; }
  GAMLP_HD void fence() const {}
};

// Writes s = softmax(z), and returns the node's cross-entropy, logsumexp(z) − z_y. z and s have `classes` values.
template <class Lanes = OneLane>
GAMLP_HD float softmax_risk(const float* z, std::int64_t classes, std::int64_t label, float* s, Lanes lanes = {}) {
  const std::int64_t first = lanes.first(), stride = lanes.stride();
  lanes.fence();
  float top = z[0];
  for (std::int64_t i = first; i < classes; i += stride) top = z[i] > top ? z[i] : top;
  top = lanes.most(top);
  float sum = 0.0f;
  for (std::int64_t i = first; i < classes; i += stride) {
    s[i] = fast_exp(z[i] - top);
    sum += s[i];
  }
  sum = lanes.sum(sum);
  const float inverse = 1.0f / sum;
  for (std::int64_t i = first; i < classes; i += stride) s[i] *= inverse;
  return std::log(sum) + (top - z[label]);
}

// On entry z holds the starting point, on return the minimiser. s is scratch of `classes` values.
// The step has the length t = ln(1 + R) / R, where R is the range (largest − smallest) of the Newton direction. With
// it every step descends, because along that direction the third derivative of logsumexp is at most R times the second.
// It stops when the largest component of the gradient is below 1e-6 + 1e-6 · ν · max|z|, or after 60 steps.
template <class Lanes = OneLane>
GAMLP_HD void softmax_prox(const float* a, std::int64_t classes, std::int64_t label, float nu, float* z, float* s,
                           Lanes lanes = {}) {
  const std::int64_t first = lanes.first(), stride = lanes.stride();
  for (int step = 0; step < 60; ++step) {
    softmax_risk(z, classes, label, s, lanes);
    // One pass: gradient, D^-1 g, and the two sums of Sherman–Morrison, with D = diag(s + ν).
    float largest = 0.0f, sg = 0.0f, rest = 0.0f, size = 0.0f;
    for (std::int64_t i = first; i < classes; i += stride) {
      const float g = s[i] - (i == label ? 1.0f : 0.0f) + nu * (z[i] - a[i]);
      const float magnitude = g < 0.0f ? -g : g;
      largest = magnitude > largest ? magnitude : largest;
      const float zi = z[i] < 0.0f ? -z[i] : z[i];
      size = zi > size ? zi : size;
      const float weight = s[i] / (s[i] + nu);
      sg += weight * g;
      rest += weight;  // 1 − Σ s²/(s+ν) = ν Σ s/(s+ν), without cancellation
    }
    largest = lanes.most(largest), size = lanes.most(size);
    const bool done = !(largest > 1e-6f + nu * size * 1e-6f);
    if (lanes.all(done)) return;
    const float factor = lanes.sum(sg) / (nu * lanes.sum(rest));
    float low = 0.0f, high = 0.0f;
    for (std::int64_t i = first; i < classes; i += stride) {
      const float g = s[i] - (i == label ? 1.0f : 0.0f) + nu * (z[i] - a[i]);
      const float d = (g + s[i] * factor) / (s[i] + nu);
      s[i] = d;
      low = d < low ? d : low;
      high = d > high ? d : high;
    }
    const float range = lanes.most(high) - lanes.least(low);
    const float length = range > 1e-3f ? std::log(1.0f + range) / range : 1.0f;
    const float t = done ? 0.0f : length;
    lanes.fence();  // every lane has read z
    for (std::int64_t i = first; i < classes; i += stride) z[i] -= t * s[i];
  }
}

}  // namespace gamlp
