// What stands round the factorisations of the exact update: the matrices that are factored, and what becomes of the
// solutions. n × n, small beside the products; 8 to 16 bytes per value.
//   mirror        copies the lower triangle into the upper one; NaN where the factorisation failed
//   p_operators   k2 ← (ν WᵀW + ρ I)⁻¹, k1 ← ν W k2
//   w_factor      factor ← Cholesky of ν (G − V p̄ p̄ᵀ) + (θ + λ' + μ) I
//   w_solve       W ← (ν (C − V t̄ p̄ᵀ) + θ W + λ' I) M⁻¹, b ← t̄ − W p̄
//   kernel_factor factor ← Cholesky of ν K + (θ + λ' + μ) I
//   kernel_solve  s = factor⁻¹ (t − t̄ − d a); c ← d c + ν s; a ← t − t̄ − (θ + μ) s; b ← t̄
#include <cmath>

#include "cuda/core/map.hpp"
#include "cuda/kernels/exact.hpp"
#include "cuda/kernels/ops.hpp"
#include "cuda/linalg/linalg.hpp"

namespace gamlp::cuda {
namespace {

constexpr Index kTile = 32;

__device__ float broken() { return NAN; }

// Tiles of the lower triangle, 32 rows at a time, through shared memory, so that reading and writing are coalesced.
// `info` null: nothing was factored.
__global__ void __launch_bounds__(kThreads) mirror_kernel(float* a, Index n, const std::int32_t* info) {
  GAMLP_SHARED(float, tile, kTile*(kTile + 1));
  const Index row0 = blockIdx.y * kTile, column0 = blockIdx.x * kTile;
  if (column0 > row0) return;
  const bool failed = info != nullptr && *info != 0;
  const Index x = threadIdx.x % kTile, y0 = threadIdx.x / kTile, step = blockDim.x / kTile;
  for (Index y = y0; y < kTile; y += step) {
    if (row0 + y >= n || column0 + x > row0 + y) continue;
    float& value = a[(row0 + y) * n + column0 + x];
    if (failed) value = broken();
    tile[y * (kTile + 1) + x] = value;
  }
  __syncthreads();
  for (Index y = y0; y < kTile; y += step) {  // row of the upper triangle: a column of the tile
    if (row0 + x < n && column0 + y < row0 + x) a[(column0 + y) * n + row0 + x] = tile[x * (kTile + 1) + y];
  }
}

void mirror_lower(Queue& queue, Mat a, const std::int32_t* info) {
  if (a.rows == 0) return;
  const auto tiles = static_cast<unsigned>(divided_up(a.rows, kTile));
  launch(queue, "mirror", mirror_kernel, {tiles, tiles}, a.data, a.rows, info);
}

// After a factorisation: NaN everywhere when it failed.
struct SpoilBody : Plain {
  float* a;
  const std::int32_t* info;
  __device__ void each(Index first, Index n, float*) const {
    if (*info == 0) return;
    Eight nan;
    for (int k = 0; k < 8; ++k) nan.v[k] = broken();
    store8(a, first, n, nan);
  }
};

void factor_in_place(Queue& queue, const char* name, Mat a) {
  cholesky(queue, a);
  map(queue, name, SpoilBody{{}, a.data, queue.info}, a.size());
}

__global__ void add_diagonal_kernel(float* a, Index n, float value) {
  const Index i = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i < n) a[i * n + i] += value;
}

// One block: θ = κ ν g and λ' = λ ν g with g = (trace of the first `rows` of a, plus weight · ||mean||²)/n.
__global__ void __launch_bounds__(kThreads)
    ridge_kernel(const float* a, Index rows, const float* mean, Index n, double weight, double nu, double kappa,
                 double lambda, double* ridge) {
  GAMLP_SHARED(double, warps, kWarp);
  double sum = 0.0;
  for (Index i = threadIdx.x; i < rows; i += blockDim.x) sum += static_cast<double>(a[i * rows + i]);
  if (weight > 0.0) {
    for (Index j = threadIdx.x; j < n; j += blockDim.x) {
      sum += weight * static_cast<double>(mean[j]) * static_cast<double>(mean[j]);
    }
  }
  sum = block_fold<Fold::sum>(sum, warps);
  if (threadIdx.x != 0) return;
  const double g = sum / static_cast<double>(n);
  ridge[0] = kappa * nu * g;
  ridge[1] = lambda * nu * g;
}

// a ← ν (a − V mean meanᵀ) + (θ + λ' + μ) I; V = 0: without the means.
struct SystemBody {
  static constexpr int kSums = 0;
  float* a;
  const float* mean;
  const double* ridge;
  Index cols;
  float nodes, nu;
  double mu;
  float diagonal;

  __device__ void start() { diagonal = static_cast<float>(total_ridge(ridge, mu)); }
  __device__ void each(Index first, Index n, float*) const {
    Eight x = load8(a, first, n);
    Index row = row_of(first, cols), column = first - row * cols;
    for (int k = 0; k < 8 && first + k < n; ++k) {
      if (nodes > 0.0f) x.v[k] = x.v[k] - nodes * mean[row] * mean[column];
      x.v[k] = nu * x.v[k] + (row == column ? diagonal : 0.0f);
      if (++column == cols) column = 0, ++row;
    }
    store8(a, first, n, x);
  }
};

// c ← ν (c − V t̄ p̄ᵀ) + θ W + λ' I.
struct RightSideBody {
  static constexpr int kSums = 0;
  float* c;
  const float *w, *p_mean, *t_mean;
  const double* ridge;
  Index cols;
  float nodes, nu;
  float theta, lambda;

  __device__ void start() { theta = static_cast<float>(ridge[0]), lambda = static_cast<float>(ridge[1]); }
  __device__ void each(Index first, Index n, float*) const {
    Eight x = load8(c, first, n);
    const Eight ws = load8(w, first, n);
    Index row = row_of(first, cols), column = first - row * cols;
    for (int k = 0; k < 8 && first + k < n; ++k) {
      x.v[k] = nu * (x.v[k] - nodes * t_mean[row] * p_mean[column]) + theta * ws.v[k];
      if (row == column) x.v[k] += lambda;
      if (++column == cols) column = 0, ++row;
    }
    store8(c, first, n, x);
  }
};

// A warp per row: b ← t̄ − W p̄.
__global__ void __launch_bounds__(kThreads)
    bias_kernel(const float* w, const float* p_mean, const float* t_mean, float* b, Index rows, Index cols) {
  const unsigned lane = threadIdx.x % kWarp;
  const Index row = static_cast<Index>(blockIdx.x) * (blockDim.x / kWarp) + threadIdx.x / kWarp;
  if (row >= rows) return;
  double shift = 0.0;
  for (Index j = lane; j < cols; j += kWarp) {
    shift += static_cast<double>(w[row * cols + j]) * static_cast<double>(p_mean[j]);
  }
  shift = lanes_fold<Fold::sum>(shift, kWarp, kAllLanes);
  if (lane == 0) b[row] = static_cast<float>(static_cast<double>(t_mean[row]) - shift);
}

void bias_of_means(Queue& queue, const char* name, ConstMat w, ConstMat p_mean, ConstMat t_mean, Mat b) {
  if (w.rows == 0) return;
  const auto blocks = static_cast<unsigned>(divided_up(w.rows, kThreads / kWarp));
  launch(queue, name, bias_kernel, {blocks}, w.data, p_mean.data, t_mean.data, b.data, w.rows, w.cols);
}

struct CopyBody : Plain {
  const float* from;
  float* to;
  __device__ void each(Index first, Index n, float*) const { store8(to, first, n, load8(from, first, n)); }
};

// s ← t − t̄ − d a; a ← t − t̄.
struct KernelInputBody {
  static constexpr int kSums = 0;
  const float *t, *mean;
  const double* ridge;
  double mu;
  float *a, *s;
  Index cols;
  float decay;

  __device__ void start() { decay = static_cast<float>(ridge[0] / total_ridge(ridge, mu)); }
  __device__ void each(Index first, Index n, float*) const {
    const Eight ts = load8(t, first, n), means = row_vector(mean, first, n, cols);
    Eight as = load8(a, first, n), out;
    for (int k = 0; k < 8; ++k) {
      const float centred = ts.v[k] - means.v[k];
      out.v[k] = centred - decay * as.v[k];
      as.v[k] = centred;
    }
    store8(s, first, n, out);
    store8(a, first, n, as);
  }
};

// c ← d c + ν s; a ← a − (θ + μ) s.
struct KernelOutputBody {
  static constexpr int kSums = 0;
  const float* s;
  const double* ridge;
  double mu;
  float *a, *c;
  float nu, decay, total;

  __device__ void start() {
    const double sum = total_ridge(ridge, mu);
    decay = static_cast<float>(ridge[0] / sum), total = static_cast<float>(sum);
  }
  __device__ void each(Index first, Index n, float*) const {
    const Eight ss = load8(s, first, n);
    Eight as = load8(a, first, n), cs = load8(c, first, n);
    for (int k = 0; k < 8; ++k) {
      cs.v[k] = decay * cs.v[k] + nu * ss.v[k];
      as.v[k] -= total * ss.v[k];
    }
    store8(c, first, n, cs);
    store8(a, first, n, as);
  }
};

}  // namespace

void run(const ops::Gemm& op, Queue& queue) { gemm(queue, op.a, op.ta, op.b, op.tb, op.c, op.alpha, op.beta); }

void run(const ops::Gram& op, Queue& queue) {
  gram_lower(queue, op.x, false, op.out);
  mirror_lower(queue, op.out, nullptr);
}

void run(const ops::OuterGram& op, Queue& queue) {
  gram_lower(queue, op.x, true, op.out);
  mirror_lower(queue, op.out, nullptr);
}

void run(const ops::POperators& op, Queue& queue) {
  const Index n = op.k2.rows;
  gemm(queue, op.w, true, op.w, false, op.k2, op.nu);
  launch(queue, ops::POperators::name, add_diagonal_kernel, {static_cast<unsigned>(divided_up(n, kThreads))},
         op.k2.data, n, op.rho);
  cholesky(queue, op.k2);
  cholesky_inverse(queue, op.k2);
  mirror_lower(queue, op.k2, queue.info);
  gemm(queue, op.w, false, op.k2, false, op.k1, op.nu);
}

void run(const ops::WFactor& op, Queue& queue) {
  const char* name = ops::WFactor::name;
  const Index n = op.factor.rows;
  launch(queue, name, ridge_kernel, {1}, op.factor.data, n, op.p_mean.data, n, 0.0, op.nu, op.kappa, op.lambda,
         op.ridge.data);
  const SystemBody body{op.factor.data,
                        op.p_mean.data,
                        op.ridge.data,
                        n,
                        static_cast<float>(op.nodes),
                        static_cast<float>(op.nu),
                        op.mu,
                        0.0f};
  map(queue, name, body, op.factor.size());
  factor_in_place(queue, name, op.factor);
}

void run(const ops::WSolve& op, Queue& queue) {
  const char* name = ops::WSolve::name;
  const RightSideBody body{op.rhs.data,
                           op.w.data,
                           op.p_mean.data,
                           op.t_mean.data,
                           op.ridge.data,
                           op.w.cols,
                           static_cast<float>(op.nodes),
                           static_cast<float>(op.nu),
                           0.0f,
                           0.0f};
  map(queue, name, body, op.rhs.size());
  cholesky_solve_rows(queue, op.factor, op.rhs);
  map(queue, name, CopyBody{{}, op.rhs.data, op.w.data}, op.w.size());
  bias_of_means(queue, name, op.w, op.p_mean, op.t_mean, op.b);
}

void run(const ops::KernelFactor& op, Queue& queue) {
  const char* name = ops::KernelFactor::name;
  const Index v = op.factor.rows;
  launch(queue, name, ridge_kernel, {1}, op.factor.data, v, op.p_mean.data, op.p_mean.cols, static_cast<double>(v),
         op.nu, op.kappa, op.lambda, op.ridge.data);
  const SystemBody body{op.factor.data, nullptr, op.ridge.data, v, 0.0f, static_cast<float>(op.nu), op.mu, 0.0f};
  map(queue, name, body, op.factor.size());
  factor_in_place(queue, name, op.factor);
}

void run(const ops::FactorSolve& op, Queue& queue) { cholesky_solve_columns(queue, op.factor, op.x); }

void run(const ops::BiasOfMeans& op, Queue& queue) {
  bias_of_means(queue, ops::BiasOfMeans::name, op.w, op.p_mean, op.t_mean, op.b);
}

void run(const ops::KernelSolve& op, Queue& queue) {
  const char* name = ops::KernelSolve::name;
  const KernelInputBody input{op.t.data, op.t_mean.data, op.ridge.data, op.mu,
                              op.a.data, op.work.data,   op.t.cols,     0.0f};
  map(queue, name, input, op.t.size());
  cholesky_solve_columns(queue, op.factor, op.work);
  const KernelOutputBody output{op.work.data, op.ridge.data, op.mu, op.a.data, op.c.data, static_cast<float>(op.nu),
                                0.0f,         0.0f};
  map(queue, name, output, op.a.size());
  map(queue, name, CopyBody{{}, op.t_mean.data, op.b.data}, op.b.size());
}

}  // namespace gamlp::cuda
