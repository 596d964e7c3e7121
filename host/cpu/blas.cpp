#include "host/cpu/blas.hpp"

#include <cblas.h>
#include <lapacke.h>
#include <omp.h>
#ifdef GAMLP_GEMM_ONEDNN
#include <dnnl.h>
#endif

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <unistd.h>
#include <vector>

#include "host/core/error.hpp"
#include "host/core/parallel.hpp"
#include "host/cpu/blas_threads.hpp"

namespace gamlp {
namespace {

lapack_int as_int(std::int64_t n) {
  expects(n <= 0x7fffffff, "a dimension fits LAPACK's integers");
  return static_cast<lapack_int>(n);
}

}  // namespace

#ifdef GAMLP_ONEDNN_TBB
namespace {

struct Limit {
  int threads = 0;
  std::unique_ptr<tbb::task_arena> arena;
};
thread_local Limit t_limit;

}  // namespace

tbb::task_arena* blas_arena() { return t_limit.arena.get(); }
#endif

void choose_blas_kernels(char** argv) {
#ifdef __x86_64__
  constexpr const char* kVariable = "OPENBLAS_CORETYPE";
  if (std::getenv(kVariable) != nullptr) return;
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
                      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq");
  const std::string better = better_blas_kernels(openblas_get_corename(), avx2, avx512);
  if (better.empty() || ::setenv(kVariable, better.c_str(), 1) != 0) return;
  ::execv("/proc/self/exe", argv);  // comes back where it fails
#else
  (void)argv;
#endif
}

void set_blas_threads(int threads) {
  omp_set_num_threads(threads);
  openblas_set_num_threads(threads);
#ifdef GAMLP_ONEDNN_TBB
  if (t_limit.threads != threads) t_limit = {threads, std::make_unique<tbb::task_arena>(threads)};
#endif
}

BlasThreads::BlasThreads(int threads) : products_(omp_get_max_threads()), factorisations_(openblas_get_num_threads()) {
  set_blas_threads(threads);
}

BlasThreads::~BlasThreads() {
  set_blas_threads(products_);
  openblas_set_num_threads(factorisations_);
}

std::string blas_description() {
  std::string config = openblas_get_config();
  const std::string openblas =
      config.substr(0, config.find(' ', config.find(' ') + 1)) + " for " + openblas_get_corename();
#ifdef GAMLP_GEMM_ONEDNN
  const dnnl_version_t* v = dnnl_version();
  return "oneDNN " + std::to_string(v->major) + "." + std::to_string(v->minor) + "." + std::to_string(v->patch) +
         " (products), " + openblas + " (factorisations)";
#else
  return openblas;
#endif
}

void gemm(ConstMat a, bool ta, ConstMat b, bool tb, Mat c, float alpha, float beta) {
  const std::int64_t m = ta ? a.cols : a.rows, k = ta ? a.rows : a.cols, n = tb ? b.rows : b.cols;
  expects((tb ? b.cols : b.rows) == k && c.rows == m && c.cols == n, "gemm: shapes agree");
  if (m == 0 || n == 0) return;
#ifdef GAMLP_GEMM_ONEDNN
  dnnl_status_t status = dnnl_success;
  with_blas_threads([&] {
    status = dnnl_sgemm(ta ? 'T' : 'N', tb ? 'T' : 'N', m, n, k, alpha, a.data, a.cols, b.data, b.cols, beta, c.data,
                        c.cols);
  });
  if (status != dnnl_success) throw DeviceError("oneDNN: sgemm failed with status " + std::to_string(status));
#else
  cblas_sgemm(CblasRowMajor, ta ? CblasTrans : CblasNoTrans, tb ? CblasTrans : CblasNoTrans, as_int(m), as_int(n),
              as_int(k), alpha, a.data, as_int(a.cols), b.data, as_int(b.cols), beta, c.data, as_int(c.cols));
#endif
}

namespace {

// Copies the lower triangle into the upper one, tile by tile.
void mirror_lower(Mat out) {
  constexpr std::int64_t kTile = 32;
  for (std::int64_t i0 = 0; i0 < out.rows; i0 += kTile) {
    for (std::int64_t j0 = 0; j0 <= i0; j0 += kTile) {
      for (std::int64_t i = i0; i < std::min(i0 + kTile, out.rows); ++i) {
        for (std::int64_t j = j0; j < std::min(j0 + kTile, i); ++j) out.row(j)[i] = out.row(i)[j];
      }
    }
  }
}

}  // namespace

void outer_gram(ConstMat x, Mat out) {
  cblas_ssyrk(CblasRowMajor, CblasLower, CblasNoTrans, as_int(x.rows), as_int(x.cols), 1.0f, x.data, as_int(x.cols),
              0.0f, out.data, as_int(out.cols));
  mirror_lower(out);
}

void gram(ConstMat x, Mat out) {
  // A symmetric product pays off for wide matrices only: narrow ones run at the product's full speed.
  if (x.cols < 256) {
    gemm(x, true, x, false, out);
    return;
  }
  cblas_ssyrk(CblasRowMajor, CblasLower, CblasTrans, as_int(x.cols), as_int(x.rows), 1.0f, x.data, as_int(x.cols), 0.0f,
              out.data, as_int(out.cols));
  mirror_lower(out);
}

// Row-major lower is column-major upper: LAPACK's column-major routines are called directly, no copies.
bool cholesky(Mat a) {
  const lapack_int n = as_int(a.rows);
  if (n == 0) return true;
  const bool ok = LAPACKE_spotrf_work(LAPACK_COL_MAJOR, 'U', n, a.data, n) == 0;
  for (std::int64_t i = 0; ok && i < a.rows; ++i) {
    if (!(a.row(i)[i] > 0.0f)) return false;
  }
  return ok;
}

bool cholesky_inverse(Mat a) {
  const lapack_int n = as_int(a.rows);
  if (n == 0) return true;
  if (LAPACKE_spotri_work(LAPACK_COL_MAJOR, 'U', n, a.data, n) != 0) return false;
  for (std::int64_t i = 0; i < a.rows; ++i) {
    for (std::int64_t j = 0; j < i; ++j) a.row(j)[i] = a.row(i)[j];
  }
  return true;
}

void cholesky_solve_rows(ConstMat factor, Mat x) {
  if (x.empty()) return;
  // Row-major x with rows as vectors is a column-major matrix of columns.
  LAPACKE_spotrs_work(LAPACK_COL_MAJOR, 'U', as_int(factor.rows), as_int(x.rows), factor.data, as_int(factor.rows),
                      x.data, as_int(x.cols));
}

void cholesky_solve_columns(ConstMat factor, Mat x) {
  if (x.empty()) return;
  const lapack_int n = as_int(factor.rows), k = as_int(x.cols);
  cblas_strsm(CblasRowMajor, CblasLeft, CblasLower, CblasNoTrans, CblasNonUnit, n, k, 1.0f, factor.data, n, x.data, k);
  cblas_strsm(CblasRowMajor, CblasLeft, CblasLower, CblasTrans, CblasNonUnit, n, k, 1.0f, factor.data, n, x.data, k);
}

namespace {

// Calls work(0) to work(count − 1) on as many threads as the library may use now, and in each with one thread of it.
template <class Work>
void in_parallel(std::int64_t count, const Work& work) {
  const int threads = openblas_get_num_threads();
  const BlasThreads one(1);
  parallel_slices(threads, count, 1, [&](std::int64_t i, std::int64_t) {
    omp_set_num_threads(1);  // of the thread that this runs in, where OpenBLAS is built with OpenMP
    work(i);
  });
}

// The Gram matrix x xᵀ in double, its lower triangle (row-major), in tiles that a thread each sums in one order.
std::vector<double> exact_outer_gram(ConstMat x) {
  constexpr std::int64_t kTile = 192, kColumns = 512;
  const std::int64_t v = x.rows, tiles = (v + kTile - 1) / kTile;
  std::vector<double> gram(static_cast<std::size_t>(v * v));
  in_parallel(tiles * (tiles + 1) / 2, [&](std::int64_t index) {
    std::int64_t i = 0;
    while ((i + 1) * (i + 2) / 2 <= index) ++i;
    const std::int64_t j = index - i * (i + 1) / 2;
    const std::int64_t rows = std::min(kTile, v - i * kTile), cols = std::min(kTile, v - j * kTile);
    std::vector<double> left(static_cast<std::size_t>(kTile * kColumns)), right(left.size());
    for (std::int64_t c = 0; c < x.cols; c += kColumns) {
      const std::int64_t some = std::min(kColumns, x.cols - c);
      const auto take = [&](std::int64_t first, std::int64_t count, std::vector<double>& out) {
        for (std::int64_t k = 0; k < count; ++k) std::copy_n(x.row(first + k) + c, some, out.data() + k * kColumns);
      };
      take(i * kTile, rows, left);
      if (i != j) take(j * kTile, cols, right);
      cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, as_int(rows), as_int(cols), as_int(some), 1.0, left.data(),
                  as_int(kColumns), i != j ? right.data() : left.data(), as_int(kColumns), 1.0,
                  gram.data() + i * kTile * v + j * kTile, as_int(v));
    }
  });
  return gram;
}

// Replaces the Gram matrix's lower triangle (row-major n × n) by its Cholesky factor's. False where the condition
// number of the matrix that it is of exceeds 1e5, or it has not full rank.
bool well_conditioned_cholesky(std::vector<double>& gram, lapack_int n) {
  constexpr double kLeast = 1e-10;  // the Gram matrix's condition number is the square
  const double norm = LAPACKE_dlansy(LAPACK_COL_MAJOR, '1', 'U', n, gram.data(), n);
  double reciprocal = 0.0;
  return LAPACKE_dpotrf(LAPACK_COL_MAJOR, 'U', n, gram.data(), n) == 0 &&
         LAPACKE_dpocon(LAPACK_COL_MAJOR, 'U', n, gram.data(), n, norm, &reciprocal) == 0 && reciprocal > kLeast;
}

// x ← l⁻¹ x, where l is lower triangular.
void solve_lower(ConstMat l, Mat x) {
  constexpr std::int64_t kColumns = 1024;
  in_parallel((x.cols + kColumns - 1) / kColumns, [&](std::int64_t chunk) {
    const std::int64_t some = std::min(kColumns, x.cols - chunk * kColumns);
    cblas_strsm(CblasRowMajor, CblasLeft, CblasLower, CblasNoTrans, CblasNonUnit, as_int(x.rows), as_int(some), 1.0f,
                l.data, as_int(x.rows), x.data + chunk * kColumns, as_int(x.cols));
  });
}

// factor ← the lower triangular Cholesky factor of x xᵀ. False, and factor unchanged, where the condition number of x
// exceeds 1e5.
bool gram_factor(ConstMat x, Mat factor) {
  std::vector<double> gram = exact_outer_gram(x);
  bool fits = false;
  in_parallel(1, [&](std::int64_t) { fits = well_conditioned_cholesky(gram, as_int(x.rows)); });
  if (!fits) return false;
  std::fill_n(factor.data, factor.size(), 0.0f);
  for (std::int64_t i = 0; i < x.rows; ++i) std::copy_n(gram.data() + i * x.rows, i + 1, factor.row(i));
  return true;
}

// Cholesky QR, twice (Yamamoto et al., Roundoff error analysis of the CholeskyQR2 algorithm, 2015), with Gram matrices
// in double: mostly products, which run several times as fast as Householder's. False, and x unchanged, where x is too
// badly conditioned.
bool cholesky_rq(Mat x, Mat r) {
  if (!gram_factor(x, r)) return false;
  solve_lower(r, x);
  Matrix second(x.rows, x.rows);
  expects(gram_factor(x, second.view()), "rows that are nearly orthonormal are well conditioned");
  solve_lower(second.view(), x);
  in_parallel(1, [&](std::int64_t) {
    cblas_strmm(CblasRowMajor, CblasRight, CblasLower, CblasNoTrans, CblasNonUnit, as_int(x.rows), as_int(x.rows), 1.0f,
                second.data(), as_int(x.rows), r.data, as_int(x.rows));
  });
  return true;
}

// x row-major V × n is xᵀ column-major n × V: xᵀ = Q R, so x = Rᵀ Qᵀ.
void householder_rq(Mat x, Mat r) {
  const lapack_int n = as_int(x.cols), v = as_int(x.rows);
  std::vector<float> tau(static_cast<std::size_t>(v));
  if (LAPACKE_sgeqrf(LAPACK_COL_MAJOR, n, v, x.data, n, tau.data()) != 0) throw DataError("QR of the inputs failed");
  std::fill_n(r.data, r.size(), 0.0f);
  for (std::int64_t i = 0; i < x.rows; ++i) {  // R(j, i) at x.data[i*n + j], j <= i; r = Rᵀ
    for (std::int64_t j = 0; j <= i; ++j) r.row(i)[j] = x.row(i)[j];
  }
  if (LAPACKE_sorgqr(LAPACK_COL_MAJOR, n, v, v, x.data, n, tau.data()) != 0) throw DataError("QR of the inputs failed");
}

}  // namespace

// In each form a thread sums a value, in an order that the sizes alone decide.
void reduced_rq(Mat x, Mat r) {
  expects(x.rows <= x.cols && r.rows == x.rows && r.cols == x.rows, "reduced_rq: shapes");
  if (x.rows == 0 || cholesky_rq(x, r)) return;
  in_parallel(1, [&](std::int64_t) { householder_rq(x, r); });
}

}  // namespace gamlp
