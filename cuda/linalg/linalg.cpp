#include "cuda/linalg/linalg.hpp"

#include <algorithm>
#include <cublasLt.h>
#include <cublas_v2.h>
#include <cusolverDn.h>
#include <map>
#include <string>
#include <tuple>

#include "cuda/core/handles.hpp"
#include "host/core/error.hpp"
#include "host/device/device.hpp"

// Row-major matrices are the transposes of column-major ones: the libraries see c ᵀ = op(b)ᵀ op(a)ᵀ, and the lower
// triangle as the upper one.
namespace gamlp::cuda {
namespace {

void check(cublasStatus_t status, const char* call) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  throw DeviceError(std::string("cuBLAS: ") + call + " failed: " + cublasGetStatusString(status));
}
void check(cusolverStatus_t status, const char* call) {
  if (status == CUSOLVER_STATUS_SUCCESS) return;
  throw DeviceError(std::string("cuSOLVER: ") + call + " failed with status " + std::to_string(status));
}

int as_int(std::int64_t n) {
  expects(n <= 0x7fffffff, "a dimension fits the libraries' integers");
  return static_cast<int>(n);
}

// The largest power of two up to 256 that divides an address: what an algorithm may assume.
unsigned alignment_of(const void* memory) {
  const auto address = reinterpret_cast<std::uintptr_t>(memory);
  unsigned alignment = 256;
  while (address % alignment != 0) alignment /= 2;
  return alignment;
}

}  // namespace

using ShapeKey = std::tuple<std::int64_t, std::int64_t, std::int64_t, bool, bool, bool, unsigned, std::size_t>;

using MatmulDescriptor = Handle<cublasLtMatmulDesc_t, cublasLtMatmulDescDestroy>;
using MatrixLayout = Handle<cublasLtMatrixLayout_t, cublasLtMatrixLayoutDestroy>;
using MatmulPreference = Handle<cublasLtMatmulPreference_t, cublasLtMatmulPreferenceDestroy>;

// One shape's product, ready to be enqueued.
struct PreparedProduct {
  MatmulDescriptor product;
  MatrixLayout first, second, out;
  cublasLtMatmulAlgo_t algorithm;
};

class Linalg {
 public:
  Linalg(cudaStream_t stream, ProductPrecision precision) : stream_(stream), precision_(precision) {
    cublasLtHandle_t lt = nullptr;
    check(cublasLtCreate(&lt), "cublasLtCreate");
    lt_ = Handle<cublasLtHandle_t, cublasLtDestroy>(lt);
    cublasHandle_t blas = nullptr;
    check(cublasCreate(&blas), "cublasCreate");
    blas_ = Handle<cublasHandle_t, cublasDestroy>(blas);
    check(cublasSetStream(blas, stream), "cublasSetStream");
    cusolverDnHandle_t solver = nullptr;
    check(cusolverDnCreate(&solver), "cusolverDnCreate");
    solver_ = Handle<cusolverDnHandle_t, cusolverDnDestroy>(solver);
    check(cusolverDnSetStream(solver, stream), "cusolverDnSetStream");
  }

  // cuBLAS, working in the queue's memory; `largest`: values of the largest operand.
  cublasHandle_t blas(const Queue& queue, std::int64_t largest) {
    const std::size_t bytes = room(queue, largest);
    if (blas_workspace_ != queue.workspace || blas_bytes_ != bytes) {
      check(cublasSetWorkspace(blas_.get(), queue.workspace, bytes), "cublasSetWorkspace");
      blas_workspace_ = queue.workspace;
      blas_bytes_ = bytes;
    }
    return blas_.get();
  }
  cusolverDnHandle_t solver() const { return solver_.get(); }
  ProductPrecision precision() const { return precision_; }

  void gemm(const Queue& queue, ConstMat a, bool ta, ConstMat b, bool tb, Mat c, float alpha, float beta) {
    const std::int64_t m = c.rows, n = c.cols, k = ta ? a.rows : a.cols;
    expects((ta ? a.cols : a.rows) == m && (tb ? b.rows : b.cols) == n && (tb ? b.cols : b.rows) == k,
            "gemm: shapes agree");
    if (m == 0 || n == 0) return;
    const unsigned aligned = std::min({alignment_of(a.data), alignment_of(b.data), alignment_of(c.data)});
    const std::size_t bytes = room(queue, std::max({a.size(), b.size(), c.size()}));
    const ShapeKey key{m, n, k, ta, tb, beta != 0.0f, aligned, bytes};
    auto found = products_.find(key);
    if (found == products_.end()) found = products_.emplace(key, prepare(key, a, b)).first;
    const PreparedProduct& p = found->second;
    check(cublasLtMatmul(lt_.get(), p.product.get(), &alpha, b.data, p.first.get(), a.data, p.second.get(), &beta,
                         c.data, p.out.get(), c.data, p.out.get(), &p.algorithm, queue.workspace, bytes, stream_),
          "cublasLtMatmul");
  }

 private:
  static MatrixLayout layout(std::int64_t rows, std::int64_t cols) {
    cublasLtMatrixLayout_t handle = nullptr;
    check(cublasLtMatrixLayoutCreate(&handle, CUDA_R_32F, static_cast<std::uint64_t>(rows),
                                     static_cast<std::uint64_t>(cols), rows),
          "cublasLtMatrixLayoutCreate");
    return MatrixLayout(handle);
  }

  // What a product may use: by its shape alone, so that it is computed in the same way in a branch and outside.
  static std::size_t room(const Queue& queue, std::int64_t largest) {
    return largest <= kSmallTensor ? kBranchWorkspace : queue.workspace_bytes;
  }

  PreparedProduct prepare(const ShapeKey& key, ConstMat a, ConstMat b) {
    const auto [m, n, k, ta, tb, adds, aligned, limit] = key;
    PreparedProduct p;
    const cublasComputeType_t compute = precision_ == ProductPrecision::tf32   ? CUBLAS_COMPUTE_32F_FAST_TF32
                                        : precision_ == ProductPrecision::bf16 ? CUBLAS_COMPUTE_32F_FAST_16BF
                                                                               : CUBLAS_COMPUTE_32F;
    cublasLtMatmulDesc_t product = nullptr;
    check(cublasLtMatmulDescCreate(&product, compute, CUDA_R_32F), "cublasLtMatmulDescCreate");
    p.product = MatmulDescriptor(product);
    const cublasOperation_t first = tb ? CUBLAS_OP_T : CUBLAS_OP_N, second = ta ? CUBLAS_OP_T : CUBLAS_OP_N;
    check(cublasLtMatmulDescSetAttribute(product, CUBLASLT_MATMUL_DESC_TRANSA, &first, sizeof first),
          "cublasLtMatmulDescSetAttribute");
    check(cublasLtMatmulDescSetAttribute(product, CUBLASLT_MATMUL_DESC_TRANSB, &second, sizeof second),
          "cublasLtMatmulDescSetAttribute");
    p.first = layout(b.cols, b.rows);
    p.second = layout(a.cols, a.rows);
    p.out = layout(n, m);
    cublasLtMatmulPreference_t handle = nullptr;
    check(cublasLtMatmulPreferenceCreate(&handle), "cublasLtMatmulPreferenceCreate");
    const MatmulPreference preference(handle);
    check(cublasLtMatmulPreferenceSetAttribute(handle, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &limit, sizeof limit),
          "cublasLtMatmulPreferenceSetAttribute");
    for (const auto which : {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
                             CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES}) {
      const std::uint32_t bytes = aligned;
      check(cublasLtMatmulPreferenceSetAttribute(handle, which, &bytes, sizeof bytes),
            "cublasLtMatmulPreferenceSetAttribute");
    }
    cublasLtMatmulHeuristicResult_t best;
    int count = 0;
    check(cublasLtMatmulAlgoGetHeuristic(lt_.get(), product, p.first.get(), p.second.get(), p.out.get(), p.out.get(),
                                         handle, 1, &best, &count),
          "cublasLtMatmulAlgoGetHeuristic");
    if (count == 0) {
      throw DeviceError("cuBLAS: no algorithm for a product of " + std::to_string(m) + " x " + std::to_string(k) +
                        " by " + std::to_string(k) + " x " + std::to_string(n));
    }
    p.algorithm = best.algo;
    return p;
  }

  cudaStream_t stream_;
  ProductPrecision precision_;
  const std::byte* blas_workspace_ = nullptr;  // as cuBLAS was told last
  std::size_t blas_bytes_ = 0;
  Handle<cublasLtHandle_t, cublasLtDestroy> lt_;
  Handle<cublasHandle_t, cublasDestroy> blas_;
  Handle<cusolverDnHandle_t, cusolverDnDestroy> solver_;
  std::map<ShapeKey, PreparedProduct> products_;
};

LinalgOwner create_linalg(CUstream_st* stream, ProductPrecision precision) {
  return LinalgOwner(new Linalg(stream, precision));
}
void DestroyLinalg::operator()(Linalg* linalg) const { delete linalg; }

void gemm(Queue& queue, ConstMat a, bool ta, ConstMat b, bool tb, Mat c, float alpha, float beta) {
  queue.linalg->gemm(queue, a, ta, b, tb, c, alpha, beta);
}

// float32: half of the product's work. On tensor cores the whole product is faster.
void gram_lower(Queue& queue, ConstMat x, bool outer, Mat out) {
  if (queue.linalg->precision() != ProductPrecision::float32) {
    outer ? gemm(queue, x, false, x, true, out) : gemm(queue, x, true, x, false, out);
    return;
  }
  if (out.empty()) return;
  const float one = 1.0f, zero = 0.0f;
  check(cublasSsyrk(queue.linalg->blas(queue, std::max(x.size(), out.size())), CUBLAS_FILL_MODE_UPPER,
                    outer ? CUBLAS_OP_T : CUBLAS_OP_N, as_int(out.rows), as_int(outer ? x.cols : x.rows), &one, x.data,
                    as_int(x.cols), &zero, out.data, as_int(out.cols)),
        "cublasSsyrk");
}

namespace {

// The queue's workspace as `count` floats.
float* solver_workspace(const Queue& queue, int count, const char* call) {
  if (static_cast<std::size_t>(count) * sizeof(float) > queue.workspace_bytes) {
    throw DeviceError(std::string("cuSOLVER: ") + call + " needs " + std::to_string(count) +
                      " floats of workspace, there are " + std::to_string(queue.workspace_bytes / sizeof(float)));
  }
  return reinterpret_cast<float*>(queue.workspace);
}

}  // namespace

void cholesky(Queue& queue, Mat a) {
  const int n = as_int(a.rows);
  int count = 0;
  check(cusolverDnSpotrf_bufferSize(queue.linalg->solver(), CUBLAS_FILL_MODE_UPPER, n, a.data, n, &count),
        "cusolverDnSpotrf_bufferSize");
  check(cusolverDnSpotrf(queue.linalg->solver(), CUBLAS_FILL_MODE_UPPER, n, a.data, n,
                         solver_workspace(queue, count, "cusolverDnSpotrf"), count, queue.info),
        "cusolverDnSpotrf");
}

void cholesky_inverse(Queue& queue, Mat a) {
  const int n = as_int(a.rows);
  int count = 0;
  check(cusolverDnSpotri_bufferSize(queue.linalg->solver(), CUBLAS_FILL_MODE_UPPER, n, a.data, n, &count),
        "cusolverDnSpotri_bufferSize");
  // Its own info would hide the factorisation's; a factor with a zero on its diagonal gives infinities by itself.
  check(cusolverDnSpotri(queue.linalg->solver(), CUBLAS_FILL_MODE_UPPER, n, a.data, n,
                         solver_workspace(queue, count, "cusolverDnSpotri"), count, queue.info + 1),
        "cusolverDnSpotri");
}

void cholesky_solve_rows(Queue& queue, ConstMat factor, Mat x) {
  if (x.empty()) return;
  const int n = as_int(factor.rows);
  check(cusolverDnSpotrs(queue.linalg->solver(), CUBLAS_FILL_MODE_UPPER, n, as_int(x.rows), factor.data, n, x.data,
                         as_int(x.cols), queue.info + 1),
        "cusolverDnSpotrs");
}

// xᵀ ← xᵀ (Uᵀ U)⁻¹, U the upper triangle that the libraries see: by U from the right, then by Uᵀ.
void cholesky_solve_columns(Queue& queue, ConstMat factor, Mat x) {
  if (x.empty()) return;
  const int n = as_int(factor.rows), k = as_int(x.cols);
  const float one = 1.0f;
  for (const cublasOperation_t op : {CUBLAS_OP_N, CUBLAS_OP_T}) {
    check(cublasStrsm(queue.linalg->blas(queue, std::max(factor.size(), x.size())), CUBLAS_SIDE_RIGHT,
                      CUBLAS_FILL_MODE_UPPER, op, CUBLAS_DIAG_NON_UNIT, k, n, &one, factor.data, n, x.data, k),
          "cublasStrsm");
  }
}

}  // namespace gamlp::cuda
