// The last layer's z step, the whole Newton solve of a node in one kernel (softmax_prox.hpp):
//   softmax_step    a = z + (r − mean); z ← softmax prox around a; r ← a − z; Σ cross-entropy, Σ r²
//                   reads z, r, writes z, r: 16 bytes per value
//   softmax_exact   A = a + b + v; z ← softmax prox around A; v ← β (A − z); t ← z − v; Σ cross-entropy, Σ (z − a − b)²
//                   reads a, v, z, writes z, v, t: 24 bytes per value
// And, of backpropagation, without a solve:
//   softmax_gradient   g ← softmax(z) − e_label; Σ cross-entropy     reads z, writes g: 8 bytes per value
// A group of 1 to 32 lanes has a node, about 4 classes a lane; a, z and s of the node are in shared memory meanwhile.
// The groups of a warp iterate together, so that no thread goes a way of its own.
#include "cuda/core/reduce.hpp"
#include "cuda/kernels/ops.hpp"
#include "host/core/error.hpp"
#include "host/math/softmax_prox.hpp"

namespace gamlp::cuda {
namespace {

constexpr std::size_t kSharedBytes = 48 * 1024 - 512;  // what grid_sum has of its own comes on top
constexpr unsigned kSoftmaxThreads = 128;
constexpr Index kMaxClasses = static_cast<Index>(kSharedBytes / (3 * sizeof(float)));

// One of `lanes` neighbouring threads that share a node. Without a node (`active` false) it computes along, on what its
// place in shared memory holds.
struct GroupLanes {
  unsigned lane, lanes;
  bool active;
  __device__ Index first() const { return lane; }
  __device__ Index stride() const { return lanes; }
  __device__ float sum(float x) const { return lanes_fold<Fold::sum>(x, lanes, kAllLanes); }
  __device__ float least(float x) const { return lanes_fold<Fold::least>(x, lanes, kAllLanes); }
  __device__ float most(float x) const { return lanes_fold<Fold::most>(x, lanes, kAllLanes); }
  __device__ bool all(bool done) const { return __all_sync(kAllLanes, done || !active) != 0; }
  __device__ void fence() const { __syncwarp(kAllLanes); }
};

struct SoftmaxPlan {
  Index nodes = 0, classes = 0;
  unsigned lanes = 1;      // per node
  unsigned per_block = 1;  // nodes of a block at a time
};

struct GradientBody {
  float *r, *z;
  const float* mean;
  __device__ void load(Index i, Index column, float& a, float& z0) const {
    z0 = z[i];
    a = z0 + (r[i] - mean[column]);
  }
  __device__ float store(Index i, Index, float a, float fresh) const {
    const float left = a - fresh;
    z[i] = fresh;
    r[i] = left;
    return left;
  }
};

struct ExactBody {
  const float *a, *b;
  float *z, *v, *t;
  float beta;
  __device__ void load(Index i, Index column, float& target, float& z0) const {
    z0 = z[i];
    target = a[i] + b[column] + v[i];
  }
  __device__ float store(Index i, Index column, float target, float fresh) const {
    const float multiplier = beta * (target - fresh);
    z[i] = fresh;
    v[i] = multiplier;
    t[i] = fresh - multiplier;
    return fresh - (a[i] + b[column]);
  }
};

template <class Body>
__global__ void __launch_bounds__(kSoftmaxThreads, 4)
    softmax_kernel(Body body, SoftmaxPlan plan, const std::int32_t* labels, float nu, double* risk, double* linear2,
                   Partials partials) {
  const unsigned lane = threadIdx.x % plan.lanes, group = threadIdx.x / plan.lanes;
  float* a = dynamic_shared<float>() + 3 * plan.classes * group;
  float *z = a + plan.classes, *s = z + plan.classes;
  double sums[2] = {};
  for (Index start = static_cast<Index>(blockIdx.x) * plan.per_block; start < plan.nodes;
       start += static_cast<Index>(gridDim.x) * plan.per_block) {
    const Index node = start + group, row = node * plan.classes;
    const GroupLanes lanes{lane, plan.lanes, node < plan.nodes};
    const Index label = lanes.active ? labels[node] : 0;
    for (Index i = lane; i < plan.classes; i += plan.lanes) {
      a[i] = z[i] = 0.0f;
      if (lanes.active) body.load(row + i, i, a[i], z[i]);
    }
    softmax_prox(a, plan.classes, label, nu, z, s, lanes);
    const float cross_entropy = softmax_risk(z, plan.classes, label, s, lanes);
    if (lanes.active) {
      float left2 = 0.0f;
      for (Index i = lane; i < plan.classes; i += plan.lanes) {
        const float left = body.store(row + i, i, a[i], z[i]);
        left2 += left * left;
      }
      if (lane == 0) sums[0] += static_cast<double>(cross_entropy);
      sums[1] += static_cast<double>(left2);
    }
    lanes.fence();  // the next node's z is written where this one's is read
  }
  if (grid_sum(sums, partials)) {
    *risk = sums[0];
    *linear2 = sums[1];
  }
}

__global__ void __launch_bounds__(kSoftmaxThreads, 4)
    softmax_gradient_kernel(const float* scores, float* gradient, SoftmaxPlan plan, const std::int32_t* labels,
                            double* risk, Partials partials) {
  const unsigned lane = threadIdx.x % plan.lanes, group = threadIdx.x / plan.lanes;
  float* z = dynamic_shared<float>() + 3 * plan.classes * group;
  float* s = z + plan.classes;
  double sums[1] = {};
  for (Index start = static_cast<Index>(blockIdx.x) * plan.per_block; start < plan.nodes;
       start += static_cast<Index>(gridDim.x) * plan.per_block) {
    const Index node = start + group, row = node * plan.classes;
    const GroupLanes lanes{lane, plan.lanes, node < plan.nodes};
    const Index label = lanes.active ? labels[node] : 0;
    for (Index i = lane; i < plan.classes; i += plan.lanes) z[i] = lanes.active ? scores[row + i] : 0.0f;
    const float cross_entropy = softmax_risk(z, plan.classes, label, s, lanes);
    if (lanes.active) {
      for (Index i = lane; i < plan.classes; i += plan.lanes) gradient[row + i] = i == label ? s[i] - 1.0f : s[i];
      if (lane == 0) sums[0] += static_cast<double>(cross_entropy);
    }
    lanes.fence();  // the next node's z is written where this one's is read
  }
  if (grid_sum(sums, partials)) *risk = sums[0];
}

struct SoftmaxLaunch {
  SoftmaxPlan plan;
  Grid grid;
};

SoftmaxLaunch softmax_launch(Index nodes, Index classes) {
  if (classes > kMaxClasses) {
    throw DeviceError("CUDA: " + std::to_string(classes) + " classes, at most " + std::to_string(kMaxClasses) +
                      " have room in a block's shared memory");
  }
  SoftmaxPlan plan{nodes, classes};
  while (plan.lanes < kWarp && plan.lanes * 4 < classes) plan.lanes *= 2;
  const std::size_t bytes = 3 * sizeof(float) * static_cast<std::size_t>(classes);  // of a node
  const std::size_t fit = kSharedBytes / bytes, places = kSoftmaxThreads / plan.lanes;
  plan.per_block = static_cast<unsigned>(fit < places ? fit : places);
  // Whole warps: only with 32 lanes each do few nodes fit.
  return {plan,
          {bounded_blocks(divided_up(nodes, plan.per_block)), 1, plan.per_block * plan.lanes, bytes * plan.per_block}};
}

template <class Body>
void softmax(Queue& queue, const char* name, const Body& body, Mat z, Labels labels, float nu, Scalar risk,
             Scalar linear2) {
  const SoftmaxLaunch to = softmax_launch(z.rows, z.cols);
  launch(queue, name, softmax_kernel<Body>, to.grid, body, to.plan, labels.data, nu, risk.data, linear2.data,
         queue.partials);
}

}  // namespace

void run(const ops::SoftmaxStep& op, Queue& queue) {
  softmax(queue, ops::SoftmaxStep::name, GradientBody{op.r.data, op.z.data, op.mean.data}, op.z, op.labels, op.nu,
          op.risk, op.linear2);
}

void run(const ops::SoftmaxGradient& op, Queue& queue) {
  const SoftmaxLaunch to = softmax_launch(op.z.rows, op.z.cols);
  launch(queue, ops::SoftmaxGradient::name, softmax_gradient_kernel, to.grid, op.z.data, op.g.data, to.plan,
         op.labels.data, op.risk.data, queue.partials);
}

void run(const ops::SoftmaxExact& op, Queue& queue) {
  softmax(queue, ops::SoftmaxExact::name, ExactBody{op.a.data, op.b.data, op.z.data, op.v.data, op.t.data, op.beta},
          op.z, op.labels, op.nu, op.risk, op.linear2);
}

}  // namespace gamlp::cuda
