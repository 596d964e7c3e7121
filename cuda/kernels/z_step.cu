// Hidden z step of the gradient update: a = z + (r − mean); z ← prox; r ← a − z; Σ r².
// Reads z, r, q, writes z, r: 20 bytes per value.
#include "cuda/core/map.hpp"
#include "cuda/kernels/ops.hpp"

namespace gamlp::cuda {
namespace {

template <class F>
struct ZStepBody {
  static constexpr int kSums = 1;
  float *r, *z;
  const float *mean, *q;
  Index cols;
  F f;
  double* linear2;

  __device__ void start() {}
  __device__ void each(Index first, Index n, float* sums) const {
    Eight zs = load8(z, first, n), rs = load8(r, first, n);
    const Eight qs = load8(q, first, n), means = row_vector(mean, first, n, cols);
    for (int k = 0; k < 8; ++k) {
      const float a = zs.v[k] + (rs.v[k] - means.v[k]);
      zs.v[k] = prox_activation(f, 0.5f * (a + zs.v[k]), qs.v[k], 0.5f);
      rs.v[k] = a - zs.v[k];
      sums[0] += rs.v[k] * rs.v[k];
    }
    store8(z, first, n, zs);
    store8(r, first, n, rs);
  }
  __device__ void total(const double (&sums)[1]) const { *linear2 = sums[0]; }
};

}  // namespace

void run(const ops::ZStep& op, Queue& queue) {
  with_activation(op.f, [&]<class F>(F f) {
    const ZStepBody<F> body{op.r.data, op.z.data, op.mean.data, op.q.data, op.z.cols, f, op.linear2.data};
    map(queue, ops::ZStep::name, body, op.z.size());
  });
}

}  // namespace gamlp::cuda
