// How replicas of a network pull each other's weights (docs/algorithm.md §13): toward those of another one, and by an
// outer step along what all of them have changed.
#pragma once

#include "host/math/annotations.hpp"
#include "host/math/optimizer.hpp"

namespace gamlp {

// x, by `share` nearer to `to`: x itself for 0, and `to` itself for 1.
GAMLP_HD inline float pulled(float x, float to, float share) {
  const float apart = to - x;
  return share < 0.5f ? x + share * apart : to - (1.0f - share) * apart;
}

// The step of weights that were all the same some steps ago, the anchor a, along c = a − the mean of what the replicas
// have made of it. u is momentum, 0 at first.
//   SlowMo (Wang et al., ICLR 2020):      u ← β u + c/γ,  a ← a − α γ u             γ: the learning rate of the
//   replicas DiLoCo (Douillard et al., 2023):      u ← β u + c,    a ← a − α (c + β u)       Nesterov's momentum
struct OuterRule {
  double rate = 1.0;      // α
  double momentum = 0.0;  // β
  bool nesterov = false;
  double learning_rate = 1.0;  // γ where no rates are given
  bool operator==(const OuterRule&) const = default;
};

class OuterUpdate {
 public:
  // `learning_rate`: γ.
  GAMLP_HD OuterUpdate(const OuterRule& r, double learning_rate)
      : keep_(static_cast<float>(r.momentum)),
        take_(static_cast<float>(1.0 / learning_rate)),
        size_(static_cast<float>(r.rate * learning_rate)),
        nesterov_(r.nesterov) {}
  // ← the anchor after the step.
  GAMLP_HD float operator()(float change, float& momentum, float anchor) const {
    const float g = take_ * change;
    momentum = keep_ * momentum + g;
    return anchor - size_ * (nesterov_ ? g + keep_ * momentum : momentum);
  }

 private:
  float keep_, take_, size_;
  bool nesterov_;
};

}  // namespace gamlp
