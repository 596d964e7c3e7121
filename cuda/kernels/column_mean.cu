// Column means in double precision over the chunks. Per value:
//   column_mean     mean ← column means of x                              reads x: 4 bytes
//   residual_bias   r ← r − d/θ, mean ← column means of r, b ← b − mean   reads d, r, writes r: 12 bytes
//   bias_step       mean ← sums/nodes, b ← b − mean                       per column only
#include "cuda/core/columns.hpp"
#include "cuda/kernels/ops.hpp"

namespace gamlp::cuda {
namespace {

template <int Width>
struct MeanBody {
  const float* x;
  float* mean;
  double inverse_rows;

  __device__ void start() {}
  __device__ void each(Index i, Index, float (&sums)[Width]) const {
    float value[Width];
    load_some(x, i, value);
    for (int k = 0; k < Width; ++k) sums[k] += value[k];
  }
  __device__ void total(Index column, double sum) const { mean[column] = static_cast<float>(sum * inverse_rows); }
};

template <int Width>
struct ResidualBiasBody {
  StepSize step;
  const float* d;
  float *r, *mean, *b;
  double* sums_of_block;  // or null
  double inverse_rows;
  float inverse;

  __device__ void start() { inverse = inverse_step(*step.gradient2.data, *step.image2.data, step.nu, step.c); }
  __device__ void each(Index i, Index, float (&sums)[Width]) const {
    float ds[Width], rs[Width];
    load_some(d, i, ds);
    load_some(r, i, rs);
    for (int k = 0; k < Width; ++k) {
      rs[k] -= inverse * ds[k];
      sums[k] += rs[k];
    }
    store_some(r, i, rs);
  }
  __device__ void total(Index column, double sum) const {
    if (sums_of_block != nullptr) {
      sums_of_block[column] = sum;
      return;
    }
    const float value = static_cast<float>(sum * inverse_rows);
    mean[column] = value;
    b[column] -= value;
  }
};

__global__ void __launch_bounds__(kThreads)
    bias_step_kernel(const double* sums, float* mean, float* b, Index n, double inverse_nodes) {
  const Index column = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (column >= n) return;
  const float value = static_cast<float>(sums[column] * inverse_nodes);
  mean[column] = value;
  b[column] -= value;
}

double inverse_of(Index rows) { return rows > 0 ? 1.0 / static_cast<double>(rows) : 0.0; }

}  // namespace

void run(const ops::ColumnMean& op, Queue& queue) {
  sum_columns<MeanBody>(queue, ops::ColumnMean::name, op.x.rows, op.x.cols, op.x.data, op.mean.data,
                        inverse_of(op.divisor()));
}

void run(const ops::ResidualBias& op, Queue& queue) {
  sum_columns<ResidualBiasBody>(queue, ops::ResidualBias::name, op.r.rows, op.r.cols, op.step, op.d.data, op.r.data,
                                op.mean.data, op.b.data, op.sums.data, inverse_of(op.r.rows), 0.0f);
}

void run(const ops::BiasStep& op, Queue& queue) {
  const Index n = op.b.cols;
  if (n == 0) return;
  launch(queue, ops::BiasStep::name, bias_step_kernel, {static_cast<unsigned>(divided_up(n, kThreads))}, op.sums.data,
         op.mean.data, op.b.data, n, inverse_of(op.nodes));
}

}  // namespace gamlp::cuda
