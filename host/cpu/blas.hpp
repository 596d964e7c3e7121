// Dense linear algebra on the host, in float32. oneDNN computes products (or OpenBLAS, by CMake's GAMLP_GEMM). LAPACK
// computes factorisations. All matrices are row-major. The number of threads is the calling thread's: see
// set_blas_threads().
#pragma once

#include <cstdint>
#include <string>

#include "host/core/matrix.hpp"

namespace gamlp {

// Sets how many threads the products called from this thread may use. LAPACK has one number for the whole process.
void set_blas_threads(int threads);
// While it lives, products of this thread use so many threads. Afterwards as many as before.
class BlasThreads {
 public:
  explicit BlasThreads(int threads);
  ~BlasThreads();
  BlasThreads(const BlasThreads&) = delete;
  BlasThreads& operator=(const BlasThreads&) = delete;

 private:
  int products_, factorisations_;  // before
};
// Returns the libraries, OpenBLAS with the processor that its kernels are for: "oneDNN 2.6.3 (products), OpenBLAS
// 0.3.21 for SkylakeX (factorisations)" or "OpenBLAS 0.3.21 for SkylakeX".
std::string blas_description();

// OpenBLAS takes its oldest kernels ("Prescott", SSE3) on a processor that it does not know, such as one newer than
// itself. Returns the kernels to ask for instead, or "" where its choice is right.
inline std::string better_blas_kernels(const std::string& chosen, bool avx2, bool avx512) {
  if (chosen != "Prescott") return "";
  return avx512 ? "SkylakeX" : avx2 ? "Haswell" : "";
}
// Where there are better ones, starts this program anew with OPENBLAS_CORETYPE, which the library reads as it is
// loaded. To be called first. Where the variable is set already, it decides.
void choose_blas_kernels(char** argv);

// c ← alpha · op(a) op(b) + beta · c.
void gemm(ConstMat a, bool ta, ConstMat b, bool tb, Mat c, float alpha = 1.0f, float beta = 0.0f);

// out ← xᵀx, every entry.
void gram(ConstMat x, Mat out);

// out ← x xᵀ, every entry.
void outer_gram(ConstMat x, Mat out);

// Works in place: the lower triangle of the symmetric positive definite `a` becomes its Cholesky factor L (a = L Lᵀ).
// Only the lower triangle is read. Returns false when a is not positive definite (or holds NaN).
bool cholesky(Mat a);

// Works in place: `a` holds L from cholesky() and becomes the full inverse (both triangles) of L Lᵀ.
bool cholesky_inverse(Mat a);

// x ← x (L Lᵀ)⁻¹, for each row of x. `factor` holds L.
void cholesky_solve_rows(ConstMat factor, Mat x);

// x ← (L Lᵀ)⁻¹ x, where x is n × k. `factor` holds L.
void cholesky_solve_columns(ConstMat factor, Mat x);

// The reduced QR of xᵀ: x = r q (V × n, V <= n), where q (V × n) has orthonormal rows and r (V × V) is lower
// triangular. q replaces x. The bits do not depend on the number of threads.
void reduced_rq(Mat x, Mat r);

}  // namespace gamlp
