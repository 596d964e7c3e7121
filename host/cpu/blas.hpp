// Dense linear algebra on the host: float32 products by oneDNN (or OpenBLAS, CMake's GAMLP_GEMM), factorisations by
// LAPACK. All matrices row-major. Threads: those of the calling thread, see set_blas_threads().
#pragma once

#include <cstdint>
#include <string>

#include "host/core/matrix.hpp"

namespace gamlp {

// Threads that the products called from this thread may use. LAPACK's number is the process's.
void set_blas_threads(int threads);
// "oneDNN 2.6.3" or "OpenBLAS 0.3.21", for --version and bench.
std::string blas_description();

// c ← alpha · op(a) op(b) + beta · c.
void gemm(ConstMat a, bool ta, ConstMat b, bool tb, Mat c, float alpha = 1.0f, float beta = 0.0f);

// out ← xᵀx, every entry.
void gram(ConstMat x, Mat out);

// out ← x xᵀ, every entry.
void outer_gram(ConstMat x, Mat out);

// In place: the lower triangle of the symmetric positive definite `a` becomes its Cholesky factor L
// (a = L Lᵀ). Reads the lower triangle only. Returns false when a is not positive definite (or holds NaN).
bool cholesky(Mat a);

// In place: `a` holds L from cholesky(); becomes the full inverse (both triangles).
bool cholesky_inverse(Mat a);

// rows of x ← rows of x · (L Lᵀ)⁻¹, for each of the `count` rows.
void cholesky_solve_rows(ConstMat factor, Mat x);

// x ← (L Lᵀ)⁻¹ x, x is n × k.
void cholesky_solve_columns(ConstMat factor, Mat x);

// Reduced QR of xᵀ: x (V × n, V <= n) = r q with orthonormal rows in q (V × n) and r (V × V) lower
// triangular. x is replaced by q.
void reduced_rq(Mat x, Mat r);

}  // namespace gamlp
