// Dense linear algebra on a queue's stream. Matrices are row-major, as everywhere. A call only enqueues. It waits for
// nothing and allocates no device memory.
//
// A factorisation of a matrix that is not positive definite (or holds NaN) leaves queue.info other than 0. The kernels
// that come after it then write NaN, so that the driver's check names the layer.
#pragma once

#include <memory>

#include "cuda/core/queue.hpp"
#include "host/core/matrix.hpp"
#include "host/math/precision.hpp"

namespace gamlp::cuda {

// Holds the libraries' handles for one stream (cuBLASLt, cuBLAS, cuSOLVER), and the algorithms chosen so far, by shape.
class Linalg;
struct DestroyLinalg {
  void operator()(Linalg*) const;
};
using LinalgOwner = std::unique_ptr<Linalg, DestroyLinalg>;
// Creates the handles on the current device. The libraries work in the workspace of the queue that a call is given
// (queue.hpp).
LinalgOwner create_linalg(CUstream_st* stream, ProductPrecision precision);

// c ← alpha · op(a) op(b) + beta · c.
void gemm(Queue& queue, ConstMat a, bool ta, ConstMat b, bool tb, Mat c, float alpha = 1.0f, float beta = 0.0f);
// Lower triangle of out ← xᵀx, or x xᵀ where `outer`. What is above the diagonal is undefined.
void gram_lower(Queue& queue, ConstMat x, bool outer, Mat out);

// In place, in the lower triangle: L of a = L Lᵀ.
void cholesky(Queue& queue, Mat a);
// In place: from L to the lower triangle of (L Lᵀ)⁻¹.
void cholesky_inverse(Queue& queue, Mat a);
// Rows of x ← rows of x · (L Lᵀ)⁻¹.
void cholesky_solve_rows(Queue& queue, ConstMat factor, Mat x);
// x ← (L Lᵀ)⁻¹ x.
void cholesky_solve_columns(Queue& queue, ConstMat factor, Mat x);

}  // namespace gamlp::cuda
