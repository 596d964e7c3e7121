// out ← dropout of in (host/math/dropout.hpp). Reads in, writes out: 8 bytes per value.
#include "cuda/core/map.hpp"
#include "cuda/kernels/ops.hpp"
#include "host/math/dropout.hpp"

namespace gamlp::cuda {
namespace {

struct DropoutBody {
  static constexpr int kSums = 0;
  const float* in;
  float* out;
  const std::uint32_t* iteration;
  std::uint32_t key, place;
  double rate;
  DropoutRule drop;

  __device__ void start() { drop = DropoutRule(key, *iteration, rate); }
  __device__ void each(Index first, Index n, float*) const {
    Eight xs = load8(in, first, n);
    for (int k = 0; k < 8; ++k) xs.v[k] = drop(xs.v[k], place + static_cast<std::uint32_t>(first + k));
    store8(out, first, n, xs);
  }
};

}  // namespace

void run(const ops::Dropout& op, Queue& queue) {
  const DropoutBody body{op.in.data != nullptr ? op.in.data : op.out.data,
                         op.out.data,
                         op.iteration.data,
                         op.key,
                         static_cast<std::uint32_t>(op.first),
                         op.rate,
                         DropoutRule(op.key, 0, op.rate)};
  map(queue, ops::Dropout::name, body, op.out.size());
}

}  // namespace gamlp::cuda
