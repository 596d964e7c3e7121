// The exact update (docs/algorithm.md §4): n × n factorisations and the joint z–q step.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "host/core/error.hpp"
#include "host/cpu/blas.hpp"
#include "host/cpu/q_dual.hpp"
#include "host/math/softmax_prox.hpp"

namespace gamlp::cpu {
namespace {

// Without any signal (all inputs 0) only a ridge keeps a system solvable.
constexpr double kLeastRidge = 1e-30;

double diagonal_sum(ConstMat x) {
  double sum = 0.0;
  for (std::int64_t i = 0; i < x.rows; ++i) sum += static_cast<double>(x.row(i)[i]);
  return sum;
}

// θ + λ' + μ, ridge = (θ, λ').
double total_ridge(MatView<const double> ridge, double mu) {
  return std::max(ridge.data[0] + ridge.data[1] + mu, kLeastRidge);
}

// θ and λ' from the mean square g of an input, into op.ridge; returns the sum of all ridges.
float set_ridge(const auto& op, double g) {
  op.ridge.data[0] = op.kappa * op.nu * g;
  op.ridge.data[1] = op.lambda * op.nu * g;
  return static_cast<float>(total_ridge(op.ridge, op.mu));
}

float bias_of_means(const float* w, ConstMat p_mean, float t_mean) {
  double shift = 0.0;
  for (std::int64_t j = 0; j < p_mean.cols; ++j) {
    shift += static_cast<double>(w[j]) * static_cast<double>(p_mean.data[j]);
  }
  return static_cast<float>(static_cast<double>(t_mean) - shift);
}

}  // namespace

void run(const ops::POperators& op, Scratch&) {
  const std::int64_t n = op.k2.rows;
  gemm(op.w, true, op.w, false, op.k2, op.nu);
  for (std::int64_t i = 0; i < n; ++i) op.k2.row(i)[i] += op.rho;
  // A system that is not positive definite can only come from NaN or overflow in W: let NaN reach the
  // driver's check, which names the layer, instead of stopping the worker here.
  if (!cholesky(op.k2) || !cholesky_inverse(op.k2)) std::fill_n(op.k2.data, op.k2.size(), NAN);
  gemm(op.w, false, op.k2, false, op.k1, op.nu);
}

void run(const ops::PInputs& op, Scratch&) {
  const float rho = op.rho;
  for (std::int64_t i = 0; i < op.t.rows; ++i) {
    const float *t = op.t.row(i), *b = op.b.data, *q = op.q.row(i), *u = op.u.row(i);
    float *x1 = op.x1.row(i), *x2 = op.x2.row(i);
#pragma omp simd
    for (std::int64_t j = 0; j < op.t.cols; ++j) x1[j] = t[j] - b[j];
#pragma omp simd
    for (std::int64_t j = 0; j < op.q.cols; ++j) x2[j] = rho * q[j] - u[j];
  }
}

void run(const ops::PTarget& op, Scratch&) {
  quantize_store(
      op.quantize, op.p.data, op.p.size(),
      [&](std::int64_t first, std::int64_t count, float* x) {
        std::memcpy(x, op.x.data + first, static_cast<std::size_t>(count) * 4);
      },
      [](std::int64_t, std::int64_t, const float*) {});
}

void run(const ops::WFactor& op, Scratch&) {
  const std::int64_t n = op.factor.rows;
  const float ridge = set_ridge(op, diagonal_sum(op.factor) / static_cast<double>(n));
  const float nodes = static_cast<float>(op.nodes), nu = static_cast<float>(op.nu);
  const float* mean = op.p_mean.data;
  for (std::int64_t i = 0; i < n; ++i) {
    float* row = op.factor.row(i);
    const float weight = nodes * mean[i];
#pragma omp simd
    for (std::int64_t j = 0; j <= i; ++j) row[j] = nu * (row[j] - weight * mean[j]);
    row[i] += ridge;
  }
  if (!cholesky(op.factor)) std::fill_n(op.factor.data, op.factor.size(), NAN);
}

void run(const ops::WSolve& op, Scratch&) {
  const float nu = static_cast<float>(op.nu), nodes = static_cast<float>(op.nodes);
  const float theta = static_cast<float>(op.ridge.data[0]), lambda = static_cast<float>(op.ridge.data[1]);
  const float* mean = op.p_mean.data;
  for (std::int64_t i = 0; i < op.w.rows; ++i) {
    float* c = op.rhs.row(i);
    const float* w = op.w.row(i);
    const float weight = nodes * op.t_mean.data[i];
#pragma omp simd
    for (std::int64_t j = 0; j < op.w.cols; ++j) c[j] = nu * (c[j] - weight * mean[j]) + theta * w[j];
    if (i < op.w.cols) c[i] += lambda;
  }
  cholesky_solve_rows(op.factor, op.rhs);
  for (std::int64_t i = 0; i < op.w.rows; ++i) {
    const float* c = op.rhs.row(i);
    std::memcpy(op.w.row(i), c, static_cast<std::size_t>(op.w.cols) * 4);
    op.b.data[i] = bias_of_means(c, op.p_mean, op.t_mean.data[i]);
  }
}

void run(const ops::KernelFactor& op, Scratch&) {
  const std::int64_t v = op.factor.rows, n = op.p_mean.cols;
  double mean2 = 0.0;
  for (std::int64_t j = 0; j < n; ++j) {
    mean2 += static_cast<double>(op.p_mean.data[j]) * static_cast<double>(op.p_mean.data[j]);
  }
  const double trace = diagonal_sum(op.factor) + static_cast<double>(v) * mean2;
  const float ridge = set_ridge(op, trace / static_cast<double>(n)), nu = static_cast<float>(op.nu);
  for (std::int64_t i = 0; i < v; ++i) {
    float* row = op.factor.row(i);
#pragma omp simd
    for (std::int64_t j = 0; j <= i; ++j) row[j] *= nu;
    row[i] += ridge;
  }
  if (!cholesky(op.factor)) std::fill_n(op.factor.data, op.factor.size(), NAN);
}

void run(const ops::Centre& op, Scratch&) {
  const float* mean = op.mean.data;
  for (std::int64_t i = 0; i < op.x.rows; ++i) {
    const float* x = op.x.row(i);
    float* out = op.out.row(i);
#pragma omp simd
    for (std::int64_t j = 0; j < op.x.cols; ++j) out[j] = x[j] - mean[j];
  }
}

void run(const ops::WAnchor& op, Scratch&) {
  const double sum = total_ridge(op.ridge, op.mu);
  const float keep = static_cast<float>(op.ridge.data[0] / sum);
  const float identity = static_cast<float>(op.ridge.data[1] / sum);
  for (std::int64_t i = 0; i < op.w.rows; ++i) {
    float* w = op.w.row(i);
#pragma omp simd
    for (std::int64_t j = 0; j < op.w.cols; ++j) w[j] *= keep;
    if (i < op.w.cols) w[i] += identity;
  }
}

void run(const ops::FactorSolve& op, Scratch&) { cholesky_solve_columns(op.factor, op.x); }

void run(const ops::BiasOfMeans& op, Scratch&) {
  for (std::int64_t i = 0; i < op.w.rows; ++i) {
    op.b.data[i] = bias_of_means(op.w.row(i), op.p_mean, op.t_mean.data[i]);
  }
}

void run(const ops::KernelSolve& op, Scratch&) {
  const double sum = total_ridge(op.ridge, op.mu);
  const float decay = static_cast<float>(op.ridge.data[0] / sum), ridge = static_cast<float>(sum);
  const float nu = static_cast<float>(op.nu);
  const float* mean = op.t_mean.data;
  const std::int64_t cols = op.t.cols;
  // a becomes e = t − t̄ − d a; work becomes s = factor⁻¹ e.
  for (std::int64_t i = 0; i < op.t.rows; ++i) {
    const float* t = op.t.row(i);
    float *a = op.a.row(i), *s = op.work.row(i);
#pragma omp simd
    for (std::int64_t j = 0; j < cols; ++j) {
      const float centred = t[j] - mean[j];
      s[j] = centred - decay * a[j];
      a[j] = centred;
    }
  }
  cholesky_solve_columns(op.factor, op.work);
  const std::int64_t n = op.a.size();
  float *a = op.a.data, *c = op.c.data;
  const float* s = op.work.data;
#pragma omp simd
  for (std::int64_t i = 0; i < n; ++i) {
    c[i] = decay * c[i] + nu * s[i];
    a[i] -= ridge * s[i];
  }
  std::memcpy(op.b.data, mean, static_cast<std::size_t>(cols) * 4);
}

void run(const ops::ZqExact& op, Scratch&) {
  with_activation(op.f, [&](auto f) {
    const float nu = op.nu, rho = op.rho, nu2 = op.nu2, beta = op.beta;
    const float k = nu2 * rho / (nu2 + rho) / nu, inverse_rho = 1.0f / rho;
    const std::int64_t cols = op.z.cols;
    const float* b = op.b.data;
    double linear2 = 0.0;
    for (std::int64_t i = 0; i < op.z.rows; ++i) {
      const float *a = op.a.row(i), *p = op.p.row(i), *u = op.u.row(i);
      float *z = op.z.row(i), *v = op.v.row(i), *t = op.t.row(i);
      float s = 0.0f;
#pragma omp simd reduction(+ : s)
      for (std::int64_t j = 0; j < cols; ++j) {
        const float linear = a[j] + b[j];
        const float target = linear + v[j];
        const float fresh = prox_activation(f, target, p[j] + u[j] * inverse_rho, k);
        const float multiplier = beta * (target - fresh);
        z[j] = fresh;
        v[j] = multiplier;
        t[j] = fresh - multiplier;
        s += (fresh - linear) * (fresh - linear);
      }
      linear2 += static_cast<double>(s);
    }
    *op.linear2.data = linear2;

    q_dual(op, f);
  });
}

void run(const ops::SoftmaxExact& op, Scratch& scratch) {
  const std::int64_t cols = op.z.cols;
  const auto work = scratch.floats(static_cast<std::size_t>(2 * cols));
  float *target = work.data(), *s = work.data() + cols;
  double risk = 0.0, linear2 = 0.0;
  for (std::int64_t i = 0; i < op.z.rows; ++i) {
    const float* a = op.a.row(i);
    float *z = op.z.row(i), *v = op.v.row(i), *t = op.t.row(i);
    for (std::int64_t j = 0; j < cols; ++j) target[j] = a[j] + op.b.data[j] + v[j];
    softmax_prox(target, cols, op.labels.data[i], op.nu, z, s);
    risk += static_cast<double>(softmax_risk(z, cols, op.labels.data[i], s));
    float left2 = 0.0f;
    for (std::int64_t j = 0; j < cols; ++j) {
      const float miss = z[j] - (a[j] + op.b.data[j]);
      left2 += miss * miss;
      v[j] = op.beta * (target[j] - z[j]);
      t[j] = z[j] - v[j];
    }
    linear2 += static_cast<double>(left2);
  }
  *op.risk.data = risk;
  *op.linear2.data = linear2;
}

}  // namespace gamlp::cpu
