// Gradients that are sent in part.
//   choose_largest   a block of threads takes a block of values, 8 each, in registers: reads gradient and error, writes
//                    error: 12 bytes per value, and 6 per chosen one. It counts 31 times; by instructions that takes
//                    longer than the bytes (not measured)
//   sum_chosen       a block of threads adds up a block of values in shared memory: writes 4 bytes per value, reads 6
//                    per chosen one of each member
//   orthogonalize    one block of threads; a thread takes the same rows of every column. Of r columns of a few thousand
//                    rows, some r² reductions one after the other: for the few columns of PowerSGD
#include "cuda/core/reduce.hpp"
#include "cuda/kernels/ops.hpp"
#include "host/math/random.hpp"

namespace gamlp::cuda {
namespace {

using ops::ChosenBlocks;

struct ChosenPlace {
  Index first, padded, values, chosen, before;

  __device__ explicit ChosenPlace(const std::int32_t* table) {
    const std::int32_t* row = table + static_cast<Index>(blockIdx.x) * ChosenBlocks::kColumns;
    first = row[0], padded = row[1], values = row[2], chosen = row[3], before = row[4];
  }
};

constexpr unsigned kChooseThreads = ChosenBlocks::kMost / 8;

// Returns the sum of the counts of the threads before this one. `counts` is shared memory, one per thread.
__device__ std::uint32_t counts_before(std::uint32_t own, std::uint32_t* counts) {
  __syncthreads();
  counts[threadIdx.x] = own;
  __syncthreads();
  for (unsigned step = 1; step < blockDim.x; step *= 2) {
    const std::uint32_t before = threadIdx.x >= step ? counts[threadIdx.x - step] : 0u;
    __syncthreads();
    counts[threadIdx.x] += before;
    __syncthreads();
  }
  return counts[threadIdx.x] - own;
}

__global__ void __launch_bounds__(kChooseThreads)
    choose_largest_kernel(const std::int32_t* table, const float* gradient, float* error, float* values,
                          std::uint16_t* places) {
  GAMLP_SHARED(double, warps, kWarp);
  GAMLP_SHARED(std::uint32_t, counts, kChooseThreads);
  const ChosenPlace block(table);
  const Index mine = Index{8} * threadIdx.x;
  Eight x = load8(gradient + block.first, mine, block.values);
  if (error != nullptr) {
    const Eight e = load8(error + block.first, mine, block.values);
#pragma unroll
    for (int k = 0; k < 8; ++k) x.v[k] += e.v[k];
  }
  const auto is_value = [&](int k) { return mine + k < block.values; };
  const auto reaching = [&](std::uint32_t least) {
    int count = 0;
#pragma unroll
    for (int k = 0; k < 8; ++k) count += is_value(k) && magnitude_bits(x.v[k]) >= least ? 1 : 0;
    return static_cast<std::int32_t>(block_fold<Fold::sum>(static_cast<double>(count), warps));
  };
  const std::uint32_t least = least_of_largest(static_cast<std::int32_t>(block.chosen), reaching);
  const auto equals = static_cast<std::uint32_t>(block.chosen - reaching(least + 1));  // that are chosen
  // Above the least in the lower half of a count, of the same magnitude in the upper.
  std::uint32_t own = 0;
#pragma unroll
  for (int k = 0; k < 8; ++k) {
    const std::uint32_t bits = magnitude_bits(x.v[k]);
    if (is_value(k)) own += bits > least ? 1u : bits == least ? 1u << 16 : 0u;
  }
  const std::uint32_t before = counts_before(own, counts);
  std::uint32_t larger = before & 0xFFFFu, equal = before >> 16;
#pragma unroll
  for (int k = 0; k < 8; ++k) {
    const std::uint32_t bits = magnitude_bits(x.v[k]);
    if (!is_value(k) || bits < least) continue;
    const bool chosen = bits > least || equal < equals;
    if (chosen) {
      const Index at = block.before + larger + (equal < equals ? equal : equals);
      values[at] = x.v[k], places[at] = static_cast<std::uint16_t>(mine + k);
      x.v[k] = 0.0f;
    }
    (bits > least ? larger : equal) += 1u;
  }
  if (error == nullptr || mine >= block.padded) return;
#pragma unroll
  for (int k = 0; k < 8; ++k) x.v[k] = is_value(k) ? x.v[k] : 0.0f;
  store8(error + block.first, mine, block.padded, x);
}

__global__ void __launch_bounds__(kThreads) sum_chosen_kernel(const std::int32_t* table, const unsigned char* messages,
                                                              Index bytes, Index places_at, int members, float* out) {
  GAMLP_SHARED(float, sums, ChosenBlocks::kMost);
  const ChosenPlace block(table);
  for (Index i = threadIdx.x; i < block.padded; i += blockDim.x) sums[i] = 0.0f;
  for (int member = 0; member < members; ++member) {
    const unsigned char* message = messages + member * bytes;
    const float* values = reinterpret_cast<const float*>(message) + block.before;
    const std::uint16_t* places = reinterpret_cast<const std::uint16_t*>(message + places_at) + block.before;
    __syncthreads();
    for (Index i = threadIdx.x; i < block.chosen; i += blockDim.x) sums[places[i]] += values[i];
  }
  __syncthreads();
  for (Index i = threadIdx.x; i < block.padded; i += blockDim.x) out[block.first + i] = sums[i];
}

// Of one block: every thread gets the sum over the rows.
__device__ double rows_dot(const float* a, const float* b, Index rows, Index columns, double* warps) {
  double sum = 0.0;
  for (Index i = threadIdx.x; i < rows; i += blockDim.x) {
    sum += static_cast<double>(a[i * columns] * b[i * columns]);
  }
  return block_fold<Fold::sum>(sum, warps);
}

__device__ void leave_columns(float* x, Index rows, Index columns, Index column, double* warps) {
  for (Index k = 0; k < column; ++k) {
    const float along = static_cast<float>(rows_dot(x + k, x + column, rows, columns, warps));
    for (Index i = threadIdx.x; i < rows; i += blockDim.x) x[i * columns + column] -= along * x[i * columns + k];
  }
}

__global__ void __launch_bounds__(kThreads) orthogonalize_kernel(float* x, Index rows, Index columns) {
  GAMLP_SHARED(double, warps, kWarp);
  for (Index j = 0; j < columns; ++j) {
    const double before = rows_dot(x + j, x + j, rows, columns, warps);
    leave_columns(x, rows, columns, j, warps);
    if (rows_dot(x + j, x + j, rows, columns, warps) <= ops::Orthogonalize::kDependent * before) {
      for (Index i = threadIdx.x; i < rows; i += blockDim.x) {
        x[i * columns + j] = random_sign(static_cast<std::uint32_t>(j), static_cast<std::uint32_t>(i));
      }
      leave_columns(x, rows, columns, j, warps);
    }
    leave_columns(x, rows, columns, j, warps);
    const float scale = static_cast<float>(1.0 / std::sqrt(rows_dot(x + j, x + j, rows, columns, warps)));
    for (Index i = threadIdx.x; i < rows; i += blockDim.x) x[i * columns + j] *= scale;
  }
}

}  // namespace

void run(const ops::ChooseLargest& op, Queue& queue) {
  if (op.at.table.rows == 0) return;
  const auto threads = static_cast<unsigned>(divided_up(divided_up(op.at.longest, 8), kWarp)) * kWarp;
  const Grid grid{static_cast<unsigned>(op.at.table.rows), 1, threads, 0};
  launch(queue, ops::ChooseLargest::name, choose_largest_kernel, grid, op.at.table.data, op.gradient.data,
         op.error.data, reinterpret_cast<float*>(op.message.data),
         reinterpret_cast<std::uint16_t*>(op.message.data + op.at.places()));
}

void run(const ops::SumChosen& op, Queue& queue) {
  if (op.at.table.rows == 0) return;
  const Grid grid{static_cast<unsigned>(op.at.table.rows), 1, kThreads, 0};
  launch(queue, ops::SumChosen::name, sum_chosen_kernel, grid, op.at.table.data,
         reinterpret_cast<const unsigned char*>(op.messages.data), op.messages.cols, op.at.places(),
         static_cast<int>(op.messages.rows), op.out.data);
}

void run(const ops::Orthogonalize& op, Queue& queue) {
  if (op.x.empty()) return;
  launch(queue, ops::Orthogonalize::name, orthogonalize_kernel, Grid{1, 1, kThreads, 0}, op.x.data, op.x.rows,
         op.x.cols);
}

}  // namespace gamlp::cuda
