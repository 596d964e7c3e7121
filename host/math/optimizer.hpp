// The optimisers: each makes one step of a weight along its gradient. Their definitions are those of PyTorch
// (torch.optim.SGD, without momentum and with Nesterov's, Adadelta, Adagrad with lr_decay 0, Adam and AdamW without
// amsgrad).
#pragma once

#include <cmath>
#include <cstdint>

#include "host/math/annotations.hpp"

namespace gamlp {

enum class Optimizer { gd, nesterov, adadelta, adagrad, adam };
// In the order of Optimizer.
inline constexpr const char* kOptimizerNames[] = {"gd", "nesterov", "adadelta", "adagrad", "adam"};
inline const char* name_of(Optimizer kind) { return kOptimizerNames[static_cast<int>(kind)]; }

struct OptimizerRule {
  Optimizer kind = Optimizer::gd;
  double learning_rate = 0.0;
  double beta1 = 0.0, beta2 = 0.0;  // adam; adadelta has its ρ in both, nesterov its momentum in beta1
  double eps = 0.0;
  double weight_decay = 0.0;
  bool decoupled = false;  // adam: weight decay shrinks weights directly, as AdamW, and is not added to gradients
  bool operator==(const OptimizerRule&) const = default;
};

// The learning rate of the step that comes after `steps` others. `rates` has that of each step, and the last of them
// holds for all further ones. With no rates it is `rate`.
GAMLP_HD inline double rate_at(double rate, const double* rates, std::int64_t count, std::uint32_t steps) {
  return count > 0 ? rates[static_cast<std::int64_t>(steps) < count ? steps : count - 1] : rate;
}
// The rule for that step.
GAMLP_HD inline OptimizerRule rule_at(OptimizerRule rule, const double* rates, std::int64_t count,
                                      std::uint32_t steps) {
  rule.learning_rate = rate_at(rule.learning_rate, rates, count, steps);
  return rule;
}

// beta^n, the same bits on every device.
GAMLP_HD inline double whole_power(double beta, std::uint32_t n) {
  double power = 1.0;
  for (double square = beta; n > 0; n >>= 1, square *= square) {
    if (n & 1u) power *= square;
  }
  return power;
}

// The caller makes a rule for one step, when `steps` others have been done before it. It then calls the rule with the
// gradient g, the weight w, and two numbers that are kept of the weight. The rule uses the first kKept of these two,
// and leaves the others alone.
struct GdRule {
  static constexpr int kKept = 0;
  float rate, decay;
  GAMLP_HD GdRule(const OptimizerRule& r, std::uint32_t)
      : rate(static_cast<float>(r.learning_rate)), decay(static_cast<float>(r.weight_decay)) {}
  GAMLP_HD void operator()(float g, float& w, float&, float&) const { w -= rate * (g + decay * w); }
};

// The first number is the momentum m ← μ m + g, of which the step is g + μ m.
struct NesterovRule {
  static constexpr int kKept = 1;
  float rate, decay, momentum;
  GAMLP_HD NesterovRule(const OptimizerRule& r, std::uint32_t)
      : rate(static_cast<float>(r.learning_rate)),
        decay(static_cast<float>(r.weight_decay)),
        momentum(static_cast<float>(r.beta1)) {}
  GAMLP_HD void operator()(float g, float& w, float& m, float&) const {
    g += decay * w;
    m = momentum * m + g;
    w -= rate * (g + momentum * m);
  }
};

// The first number is Σ g².
struct AdagradRule {
  static constexpr int kKept = 1;
  float rate, decay, eps;
  GAMLP_HD AdagradRule(const OptimizerRule& r, std::uint32_t)
      : rate(static_cast<float>(r.learning_rate)),
        decay(static_cast<float>(r.weight_decay)),
        eps(static_cast<float>(r.eps)) {}
  GAMLP_HD void operator()(float g, float& w, float& sum, float&) const {
    g += decay * w;
    sum += g * g;
    w -= rate * (g / (std::sqrt(sum) + eps));
  }
};

// The first number is the mean of g². The second is the mean square of the changes before the rate scales them.
struct AdadeltaRule {
  static constexpr int kKept = 2;
  float rate, decay, eps, rho, rest;  // rest: 1 − ρ, which float32 would not know from ρ
  GAMLP_HD AdadeltaRule(const OptimizerRule& r, std::uint32_t)
      : rate(static_cast<float>(r.learning_rate)),
        decay(static_cast<float>(r.weight_decay)),
        eps(static_cast<float>(r.eps)),
        rho(static_cast<float>(r.beta1)),
        rest(static_cast<float>(1.0 - r.beta1)) {}
  GAMLP_HD void operator()(float g, float& w, float& square, float& change2) const {
    g += decay * w;
    square = rho * square + rest * (g * g);
    const float change = std::sqrt(change2 + eps) / std::sqrt(square + eps) * g;
    change2 = rho * change2 + rest * (change * change);
    w -= rate * change;
  }
};

// The first number is the mean of g, the second the mean of g².
struct AdamRule {
  static constexpr int kKept = 2;
  float size, keep, decay, eps, beta1, rest1, beta2, rest2, inverse_root;
  GAMLP_HD AdamRule(const OptimizerRule& r, std::uint32_t steps)
      : size(static_cast<float>(r.learning_rate / (1.0 - whole_power(r.beta1, steps + 1)))),
        keep(static_cast<float>(r.decoupled ? 1.0 - r.learning_rate * r.weight_decay : 1.0)),
        decay(static_cast<float>(r.decoupled ? 0.0 : r.weight_decay)),
        eps(static_cast<float>(r.eps)),
        beta1(static_cast<float>(r.beta1)),
        rest1(static_cast<float>(1.0 - r.beta1)),
        beta2(static_cast<float>(r.beta2)),
        rest2(static_cast<float>(1.0 - r.beta2)),
        inverse_root(static_cast<float>(1.0 / std::sqrt(1.0 - whole_power(r.beta2, steps + 1)))) {}
  GAMLP_HD void operator()(float g, float& w, float& mean, float& square) const {
    g += decay * w;
    w *= keep;
    mean = beta1 * mean + rest1 * g;
    square = beta2 * square + rest2 * (g * g);
    w -= size * (mean / (std::sqrt(square) * inverse_root + eps));
  }
};

// Calls body(step) with the step of the rule that comes after `steps` others.
template <class Body>
void with_optimizer(const OptimizerRule& rule, std::uint32_t steps, Body body) {
  switch (rule.kind) {
    case Optimizer::gd:
      return body(GdRule(rule, steps));
    case Optimizer::nesterov:
      return body(NesterovRule(rule, steps));
    case Optimizer::adadelta:
      return body(AdadeltaRule(rule, steps));
    case Optimizer::adagrad:
      return body(AdagradRule(rule, steps));
    case Optimizer::adam:
      return body(AdamRule(rule, steps));
  }
}

// How many numbers a rule keeps of each weight.
inline int optimizer_keeps(Optimizer kind) {
  int kept = 0;
  with_optimizer({kind}, 0, [&](auto step) { kept = decltype(step)::kKept; });
  return kept;
}

}  // namespace gamlp
