#include "host/cpu/blas.hpp"

#include <cblas.h>
#include <lapacke.h>
#include <omp.h>
#ifdef GAMLP_GEMM_ONEDNN
#include <dnnl.h>
#endif

#include <algorithm>
#include <memory>
#include <vector>

#include "host/core/error.hpp"
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

void set_blas_threads(int threads) {
  omp_set_num_threads(threads);
  openblas_set_num_threads(threads);
#ifdef GAMLP_ONEDNN_TBB
  if (t_limit.threads != threads) t_limit = {threads, std::make_unique<tbb::task_arena>(threads)};
#endif
}

std::string blas_description() {
  std::string config = openblas_get_config();
  const std::string openblas = config.substr(0, config.find(' ', config.find(' ') + 1));
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

void reduced_rq(Mat x, Mat r) {
  // x row-major V × n is xᵀ column-major n × V: xᵀ = Q R, so x = Rᵀ Qᵀ.
  const lapack_int n = as_int(x.cols), v = as_int(x.rows);
  expects(v <= n && r.rows == x.rows && r.cols == x.rows, "reduced_rq: shapes");
  std::vector<float> tau(static_cast<std::size_t>(v));
  if (LAPACKE_sgeqrf(LAPACK_COL_MAJOR, n, v, x.data, n, tau.data()) != 0) throw DataError("QR of the inputs failed");
  std::fill_n(r.data, r.size(), 0.0f);
  for (std::int64_t i = 0; i < x.rows; ++i) {  // R(j, i) at x.data[i*n + j], j <= i; r = Rᵀ
    for (std::int64_t j = 0; j <= i; ++j) r.row(i)[j] = x.row(i)[j];
  }
  if (LAPACKE_sorgqr(LAPACK_COL_MAJOR, n, v, v, x.data, n, tau.data()) != 0) throw DataError("QR of the inputs failed");
}

}  // namespace gamlp
