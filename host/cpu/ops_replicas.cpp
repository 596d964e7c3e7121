// The ops of replicas of a network.
#include "host/cpu/loops.hpp"

namespace gamlp::cpu {

void run(const ops::Pull& op, Scratch&) {
  float* w = op.w.data;
  const float *first = op.first.data, *second = op.second.data;
  const float a = op.first_share, b = op.second_share;
  if (second == nullptr) {
#pragma omp simd
    for (std::int64_t i = 0; i < op.w.size(); ++i) w[i] = pulled(w[i], first[i], a);
    return;
  }
#pragma omp simd
  for (std::int64_t i = 0; i < op.w.size(); ++i) w[i] = pulled(pulled(w[i], first[i], a), second[i], b);
}

void run(const ops::OuterStep& op, Scratch&) {
  const OuterUpdate step(op.rule, rate_at(op.rule.learning_rate, op.rates.data, op.rates.size(), *op.iteration.data));
  const float* change = op.change.data;
  float *momentum = op.momentum.data, *anchor = op.anchor.data, *w = op.w.data;
#pragma omp simd
  for (std::int64_t i = 0; i < op.w.size(); ++i) w[i] = anchor[i] = step(change[i], momentum[i], anchor[i]);
}

}  // namespace gamlp::cpu
