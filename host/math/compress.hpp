// Error-compensated compression of momentum, as APMSqueeze does it (docs/algorithm.md §11): the codes of a block of
// values that share one scale, and the step of a weight along momentum that has been compressed.
//
// The codes of a block, whose scale is s:
//   1 bit    x̂ = ±s, s the mean magnitude; 0 counts as positive
//   4 bits   x̂ = c s/7 for c = −7 … 7, s the largest magnitude. So 0 stays 0
//   8 bits   x̂ = c s/127 for c = −127 … 127, likewise
//   16 bits  x̂ = x rounded to bfloat16, to nearest, ties to even; without a scale
//   32 bits  x̂ = x: no compression
// A value that is not finite makes the scale NaN, and with it the whole block; without a scale it stays what it is.
#pragma once

#include <cmath>
#include <cstdint>

#include "host/math/annotations.hpp"
#include "host/math/bfloat16.hpp"
#include "host/math/optimizer.hpp"

namespace gamlp {

// What a block's codes stand for: (code − middle) · step.
struct CodeGrid {
  float middle, step, inverse, top;
};

GAMLP_HD inline CodeGrid code_grid(int bits, float scale) {
  if (bits == 1) return {0.5f, 2.0f * scale, 0.0f, 1.0f};
  const float most = bits == 4 ? 7.0f : 127.0f, step = scale / most;
  return {most, step, step > 1e-37f ? 1.0f / step : 0.0f, 2.0f * most};
}

// Returns the code of x as an integer-valued float.
GAMLP_HD inline float compressed_code(float x, const CodeGrid& grid) {
  if (grid.top == 1.0f) return x >= 0.0f ? 1.0f : 0.0f;
  float t = x * grid.inverse + grid.middle;
  t = t > 0.0f ? t : 0.0f;
  t = t < grid.top ? t : grid.top;
  constexpr float kNearest = 0.5f;
  return static_cast<float>(static_cast<std::int32_t>(t + kNearest));
}

GAMLP_HD inline float expanded_code(float code, const CodeGrid& grid) { return (code - grid.middle) * grid.step; }

// The scale of a block of `count` values, from the sum and the largest of their magnitudes.
GAMLP_HD inline float block_scale(int bits, double sum, float largest, std::int64_t count) {
  if (!(sum <= 1e38)) return NAN;
  return bits == 1 ? static_cast<float>(sum / static_cast<double>(count > 0 ? count : 1)) : largest;
}

// Adam's step with a mean square that no longer changes: it was frozen after `frozen` steps.
struct MomentumRule {
  double learning_rate = 0.0, beta1 = 0.0, beta2 = 0.0, eps = 0.0;
  double weight_decay = 0.0;  // decoupled, as AdamW's
  double clip = 0.0;          // how far a weight moves at most, in learning rates; 0: any distance
  std::uint32_t frozen = 0;
  bool operator==(const MomentumRule&) const = default;
};

class MomentumStep {
 public:
  // `learning_rate` and `steps`: of this step, and how many have been made before it.
  GAMLP_HD MomentumStep(const MomentumRule& r, double learning_rate, std::uint32_t steps)
      : size_(static_cast<float>(learning_rate)),
        keep_(static_cast<float>(1.0 - learning_rate * r.weight_decay)),
        correction_(static_cast<float>(1.0 / (1.0 - whole_power(r.beta1, steps + 1)))),
        inverse_root_(static_cast<float>(1.0 / std::sqrt(1.0 - whole_power(r.beta2, r.frozen)))),
        eps_(static_cast<float>(r.eps)),
        clip_(r.clip > 0.0 ? static_cast<float>(r.clip) : 3.402823466e38f) {}
  // ← the weight w after the step, from the momentum and the mean square.
  GAMLP_HD float operator()(float w, float mean, float square) const {
    float u = mean * correction_ / (std::sqrt(square) * inverse_root_ + eps_);
    u = u > clip_ ? clip_ : u;
    u = u < -clip_ ? -clip_ : u;
    return keep_ * w - size_ * u;
  }

 private:
  float size_, keep_, correction_, inverse_root_, eps_, clip_;
};

}  // namespace gamlp
