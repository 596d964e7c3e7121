// Says which activation f the hidden layers have. prox.hpp has the functions themselves.
#pragma once

#include "host/math/prox.hpp"

namespace gamlp {

enum class Activation { relu, leaky_relu, tanh };

struct ActivationRule {
  Activation kind = Activation::relu;
  float slope = 0.0f;  // of the negative side; 0 for ReLU
  bool operator==(const ActivationRule&) const = default;
};

// Calls body(f) with the rule's function (prox.hpp).
template <class Body>
void with_activation(const ActivationRule& rule, Body body) {
  if (rule.kind == Activation::tanh) {
    body(Tanh{});
  } else {
    body(LeakyRelu{rule.slope});
  }
}

}  // namespace gamlp
