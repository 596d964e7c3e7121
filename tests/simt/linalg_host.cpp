// cuda/linalg/linalg.hpp by the host's BLAS, so that ops with products run on the executor.
#include "cuda/linalg/linalg.hpp"
#include "host/cpu/blas.hpp"

namespace gamlp::cuda {

void gemm(Queue&, ConstMat a, bool ta, ConstMat b, bool tb, Mat c, float alpha, float beta) {
  gamlp::gemm(a, ta, b, tb, c, alpha, beta);
}

void gram_lower(Queue&, ConstMat x, bool outer, Mat out) {
  outer ? gamlp::outer_gram(x, out) : gamlp::gram(x, out);
  for (std::int64_t i = 0; i < out.rows; ++i) {
    for (std::int64_t j = i + 1; j < out.cols; ++j) out.row(i)[j] = -1.0f;  // undefined
  }
}

void cholesky(Queue& queue, Mat a) { *queue.info = gamlp::cholesky(a) ? 0 : 1; }

void cholesky_inverse(Queue& queue, Mat a) {
  if (*queue.info == 0 && !gamlp::cholesky_inverse(a)) *queue.info = 1;
  for (std::int64_t i = 0; i < a.rows; ++i) {
    for (std::int64_t j = i + 1; j < a.cols; ++j) a.row(i)[j] = -1.0f;  // undefined
  }
}

void cholesky_solve_rows(Queue&, ConstMat factor, Mat x) { gamlp::cholesky_solve_rows(factor, x); }
void cholesky_solve_columns(Queue&, ConstMat factor, Mat x) { gamlp::cholesky_solve_columns(factor, x); }

}  // namespace gamlp::cuda
