// Dropout (Srivastava et al. 2014), as torch.nn.Dropout in training: a value stays with probability 1 − rate, divided
// by it, or becomes 0.
#pragma once

#include "host/math/random.hpp"

namespace gamlp {

// The caller makes a rule for one tensor in one iteration. `key` names the tensor.
struct DropoutRule {
  std::uint32_t key;
  float rate, scale;
  GAMLP_HD DropoutRule(std::uint32_t of, std::uint32_t iteration, double share)
      : key(key_at(of, iteration)), rate(static_cast<float>(share)), scale(static_cast<float>(1.0 / (1.0 - share))) {}
  // `place` counts the tensor's values.
  GAMLP_HD float operator()(float x, std::uint32_t place) const {
    return random_unit(key, place) < rate ? 0.0f : x * scale;
  }
};

}  // namespace gamlp
