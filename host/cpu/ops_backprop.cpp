// The elementwise passes of backpropagation.
#include <algorithm>

#include "host/cpu/loops.hpp"
#include "host/math/dropout.hpp"
#include "host/math/permutation.hpp"
#include "host/math/softmax_prox.hpp"

namespace gamlp::cpu {

void run(const ops::SoftmaxGradient& op, Scratch&) {
  double risk = 0.0;
  for (std::int64_t i = 0; i < op.z.rows; ++i) {
    const std::int32_t label = op.labels.data[i];
    float* g = op.g.row(i);
    risk += static_cast<double>(softmax_risk(op.z.row(i), op.z.cols, label, g));
    g[label] -= 1.0f;
  }
  *op.risk.data = risk;
}

void run(const ops::ActivationGradient& op, Scratch&) {
  with_activation(op.f, [&](auto f) {
    const float* y = op.y.data;
    float* g = op.g.data;
#pragma omp simd
    for (std::int64_t i = 0; i < op.g.size(); ++i) g[i] *= derivative_at(f, y[i]);
  });
}

void run(const ops::Dropout& op, Scratch&) {
  const DropoutRule drop(op.key, *op.iteration.data, op.rate);
  const auto first = static_cast<std::uint32_t>(op.first);
  float* out = op.out.data;
  const float* in = op.in.data != nullptr ? op.in.data : out;
#pragma omp simd
  for (std::int64_t i = 0; i < op.out.size(); ++i) out[i] = drop(in[i], first + static_cast<std::uint32_t>(i));
}

void run(const ops::OptimizerStep& op, Scratch&) {
  const std::uint32_t steps = *op.iteration.data;
  with_optimizer(rule_at(op.rule, op.rates.data, op.rates.size(), steps), steps, [&](auto step) {
    constexpr int kKept = decltype(step)::kKept;
    const float* g = op.g.data;
    float *w = op.w.data, *first = op.first.data, *second = op.second.data;
#pragma omp simd
    for (std::int64_t i = 0; i < op.w.size(); ++i) {
      float none = 0.0f;
      if constexpr (kKept == 2) {
        step(g[i], w[i], first[i], second[i]);
      } else if constexpr (kKept == 1) {
        step(g[i], w[i], first[i], none);
      } else {
        step(g[i], w[i], none, none);
      }
    }
  });
}

void run(const ops::GatherBatch& op, Scratch&) {
  const Permutation permutation(key_at(op.key, static_cast<std::uint32_t>(*op.iteration.data / op.steps)),
                                static_cast<std::uint32_t>(op.rows()));
  for (std::int64_t i = 0; i < op.count(); ++i) {
    const std::int64_t from = permutation(static_cast<std::uint32_t>(op.first + i));
    if (op.x.data != nullptr) std::copy_n(op.x.row(from), op.x.cols, op.out.row(i));
    if (op.labels.data != nullptr) op.chosen.data[i] = op.labels.data[from];
  }
}

void run(const ops::AddScalars& op, Scratch&) {
  for (std::int64_t i = 0; i < op.y.size(); ++i) op.y.data[i] += op.x.data[i];
}

}  // namespace gamlp::cpu
