// The elementwise passes of the gradient update (docs/algorithm.md §3).
#include <cmath>
#include <cstring>

#include "host/cpu/q_dual.hpp"
#include "host/math/softmax_prox.hpp"

namespace gamlp::cpu {
namespace {

float inverse_of(const StepSize& step) {
  return inverse_step(*step.gradient2.data, *step.image2.data, step.nu, step.c);
}

}  // namespace

void run(const ops::PGradient& op, Scratch&) {
  const float rho = op.rho;
  *op.norm2.data = sum_tiles(op.g.size(), [&](std::int64_t first, std::int64_t count) {
    float* g = op.g.data + first;
    const float *u = op.u.data + first, *p = op.p.data + first, *q = op.q.data + first;
    float s = 0.0f;
#pragma omp simd reduction(+ : s)
    for (std::int64_t i = 0; i < count; ++i) {
      const float x = g[i] + u[i] + rho * (p[i] - q[i]);
      g[i] = x;
      s += x * x;
    }
    return s;
  });
}

void run(const ops::Descent& op, Scratch&) {
  const float inverse = inverse_of(op.step);
  const float* x = op.x.data;
  float* y = op.y.data;
  const std::int64_t n = op.y.size();
#pragma omp simd
  for (std::int64_t i = 0; i < n; ++i) y[i] -= inverse * x[i];
  if (op.tau.data) *op.tau.data = inverse > 0.0f ? 1.0 / static_cast<double>(inverse) : 0.0;
}

void run(const ops::PProject& op, Scratch&) {
  const double tau = *op.tau.data;
  const float inverse = tau > 0.0 ? static_cast<float>(1.0 / tau) : 0.0f;
  float *p = op.p.data, *g = op.g.data;
  double total = 0.0;
  const auto step = [&](std::int64_t first, std::int64_t count, float* x) {
    const float *ps = p + first, *gs = g + first;
    const float scale = inverse;
#pragma omp simd
    for (std::int64_t i = 0; i < count; ++i) x[i] = ps[i] - scale * gs[i];
  };
  const auto finish = [&](std::int64_t first, std::int64_t count, const float* old) {
    const float* ps = p + first;
    float* gs = g + first;
    float s = 0.0f;
#pragma omp simd reduction(+ : s)
    for (std::int64_t i = 0; i < count; ++i) {
      gs[i] = ps[i] - old[i];
      s += gs[i] * gs[i];
    }
    total += static_cast<double>(s);
  };
  if (op.u.data == nullptr) {
    quantize_store(op.quantize, p, op.p.size(), step, step, finish);
  } else {
    const auto finish_gradient_and_step = [&](std::int64_t first, std::int64_t count, float* x) {
      const float *us = op.u.data + first, *ps = p + first, *qs = op.q.data + first;
      float* gs = g + first;
      const float scale = inverse, rho = op.rho;
#pragma omp simd
      for (std::int64_t i = 0; i < count; ++i) {
        const float y = gs[i] + us[i] + rho * (ps[i] - qs[i]);
        gs[i] = y;
        x[i] = ps[i] - scale * y;
      }
    };
    // Where a range over the tensor comes first, that pass has finished the gradient.
    const bool twice = op.quantize.format.quantized() && op.quantize.format.range == Range::tensor;
    if (twice) {
      quantize_store(op.quantize, p, op.p.size(), finish_gradient_and_step, step, finish);
    } else {
      quantize_store(op.quantize, p, op.p.size(), finish_gradient_and_step, finish_gradient_and_step, finish);
    }
  }
  *op.norm2.data = total;
}

void run(const ops::ResidualAdd& op, Scratch&) {
  *op.norm2.data = sum_tiles(op.r.size(), [&](std::int64_t first, std::int64_t count) {
    const float* d = op.d.data + first;
    float* r = op.r.data + first;
    float s = 0.0f;
#pragma omp simd reduction(+ : s)
    for (std::int64_t i = 0; i < count; ++i) {
      r[i] += d[i];
      s += d[i] * d[i];
    }
    return s;
  });
}

void run(const ops::TauUpdate& op, Scratch&) {
  const double change2 = *op.change2.data;
  if (!(change2 > 0.0)) return;
  const double curvature = (op.nu * *op.image2.data + op.c * change2) / change2;
  *op.tau.data = std::fmax(curvature, op.floor * *op.tau.data);
}

void run(const ops::WGradient& op, Scratch&) {
  const float mu = op.mu;
  *op.norm2.data = sum_tiles(op.g.size(), [&](std::int64_t first, std::int64_t count) {
    const float* w = op.w.data + first;
    float* g = op.g.data + first;
    float s = 0.0f;
#pragma omp simd reduction(+ : s)
    for (std::int64_t i = 0; i < count; ++i) {
      const float x = g[i] + mu * w[i];
      g[i] = x;
      s += x * x;
    }
    return s;
  });
}

void run(const ops::ResidualBias& op, Scratch& scratch) {
  const float inverse = inverse_of(op.step);
  ColumnSums sums(op.r.cols, scratch);
  for (std::int64_t i = 0; i < op.r.rows; ++i) {
    const float* d = op.d.row(i);
    float *r = op.r.row(i), *s = sums.next_row();
#pragma omp simd
    for (std::int64_t j = 0; j < op.r.cols; ++j) {
      r[j] -= inverse * d[j];
      s[j] += r[j];
    }
  }
  if (!op.sums.empty()) return sums.sums(op.sums.data);
  sums.means(op.r.rows, op.mean.data);
  for (std::int64_t j = 0; j < op.b.cols; ++j) op.b.data[j] -= op.mean.data[j];
}

void run(const ops::BiasStep& op, Scratch&) {
  const double inverse = op.nodes > 0 ? 1.0 / static_cast<double>(op.nodes) : 0.0;
  for (std::int64_t j = 0; j < op.b.cols; ++j) {
    const float mean = static_cast<float>(op.sums.data[j] * inverse);
    op.mean.data[j] = mean;
    op.b.data[j] -= mean;
  }
}

void run(const ops::ZStep& op, Scratch&) {
  with_activation(op.f, [&](auto f) {
    const std::int64_t cols = op.z.cols;
    const float* mean = op.mean.data;
    double total = 0.0;
    for (std::int64_t i = 0; i < op.z.rows; ++i) {
      float *r = op.r.row(i), *z = op.z.row(i);
      const float* q = op.q.row(i);
      float s = 0.0f;
#pragma omp simd reduction(+ : s)
      for (std::int64_t j = 0; j < cols; ++j) {
        const float a = z[j] + (r[j] - mean[j]);
        const float fresh = prox_activation(f, 0.5f * (a + z[j]), q[j], 0.5f);
        const float left = a - fresh;
        z[j] = fresh;
        r[j] = left;
        s += left * left;
      }
      total += static_cast<double>(s);
    }
    *op.linear2.data = total;
  });
}

void run(const ops::SoftmaxStep& op, Scratch& scratch) {
  const std::int64_t cols = op.z.cols;
  const auto work = scratch.floats(static_cast<std::size_t>(2 * cols));
  float *a = work.data(), *s = work.data() + cols;
  double risk = 0.0, linear2 = 0.0;
  for (std::int64_t i = 0; i < op.z.rows; ++i) {
    float *r = op.r.row(i), *z = op.z.row(i);
    for (std::int64_t j = 0; j < cols; ++j) a[j] = z[j] + (r[j] - op.mean.data[j]);
    softmax_prox(a, cols, op.labels.data[i], op.nu, z, s);
    risk += static_cast<double>(softmax_risk(z, cols, op.labels.data[i], s));
    float left2 = 0.0f;
    for (std::int64_t j = 0; j < cols; ++j) {
      r[j] = a[j] - z[j];
      left2 += r[j] * r[j];
    }
    linear2 += static_cast<double>(left2);
  }
  *op.risk.data = risk;
  *op.linear2.data = linear2;
}

void run(const ops::QDual& op, Scratch&) {
  with_activation(op.f, [&](auto f) { q_dual(op, f); });
}

}  // namespace gamlp::cpu
