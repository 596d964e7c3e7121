// The last layer's z-update: per node, minimise  logsumexp(z) − z_y + (ν/2)||z − a||²  over z in R^C
// (docs/algorithm.md §3.4, §4.4). Strictly convex, solved by damped Newton: gradient g = s − e_y + ν(z − a),
// Hessian diag(s) − ssᵀ + νI, inverted in O(C) by Sherman–Morrison.
#pragma once

#include <cstdint>

#include "host/math/elementary.hpp"

namespace gamlp {

// Who works on a node: alone, or as one of several neighbouring threads of a GPU (cuda/kernels/softmax_step.cu), each
// of which has the classes first(), first() + stride(), …. What a lane writes others may read after fence(). Nodes
// whose threads go together end together: all() says whether every one of them is done.
struct OneLane {
  GAMLP_HD std::int64_t first() const { return 0; }
  GAMLP_HD std::int64_t stride() const { return 1; }
  GAMLP_HD float sum(float x) const { return x; }
  GAMLP_HD float least(float x) const { return x; }
  GAMLP_HD float most(float x) const { return x; }
  GAMLP_HD bool all(bool done) const { return done; }
  GAMLP_HD void fence() const {}
};

// s = softmax(z); returns logsumexp(z) − z_y, the node's cross-entropy.
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

// z holds the starting point on entry and the minimiser on return; s is scratch of `classes` values.
// The step t = ln(1+R)/R, R the range of the Newton direction, is what makes every step a descent step:
// along a direction of range R the third derivative of logsumexp is at most R times the second.
// Stops when the largest gradient component is below 1e-6 + ν|z|·1e-6, or after 60 steps.
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
