// Compressed momentum (host/math/compress.hpp). A block of threads takes a block of values, 8 each, and keeps them in
// registers: so each op is one pass. Bytes per value, with codes of c bytes:
//   compress_momentum   reads momentum, gradient and error, writes error and codes: 16 + c
//   compress_mean       reads the codes of all members and error, writes error and codes: 8 + c (members + 1), of
//   1/members
//                       of the values
//   expand_row          reads codes, writes values: 4 + c
//   momentum_update     reads codes, square and w, writes momentum and w: 16 + c
#include "cuda/core/map.hpp"
#include "cuda/kernels/codec.hpp"
#include "cuda/kernels/ops.hpp"

namespace gamlp::cuda {
namespace {

using ops::CompressBlocks;

// CompressBlocks in the form that kernels take.
struct Layout {
  const std::int32_t* table;
  int bits;
  Index first_value, first_byte;
};
Layout layout_of(const CompressBlocks& at) { return {at.table.data, at.bits, at.first_value, at.first_byte}; }

// The block of values of this block of threads, and the 8 of this thread.
struct Place {
  Index first, padded, values, scale, codes;
  Index mine;  // within the block; none where it is not below padded

  __device__ explicit Place(const Layout& at) {
    const std::int32_t* row = at.table + static_cast<Index>(blockIdx.x) * CompressBlocks::kColumns;
    first = row[0] - at.first_value, padded = row[1], values = row[2];
    scale = row[3] - at.first_byte / 4, codes = Index{16} * row[4] - at.first_byte;
    mine = Index{8} * threadIdx.x;
  }
  __device__ bool has() const { return mine < padded; }
};

__device__ inline void clear_padding(const Place& place, Eight& x) {
#pragma unroll
  for (int k = 0; k < 8; ++k) x.v[k] = place.mine + k < place.values ? x.v[k] : 0.0f;
}

// Returns the 8 values that a message says.
__device__ inline Eight expanded(const Layout& at, const Place& place, const unsigned char* message) {
  Eight x;
  if (at.bits == 32) {
    x = load8(reinterpret_cast<const float*>(message + place.codes), place.mine, place.padded);
  } else if (at.bits == 16) {
    const Eight halves = unpack8<16>(message + place.codes, place.mine, place.padded);
#pragma unroll
    for (int k = 0; k < 8; ++k) x.v[k] = from_bfloat16(static_cast<std::uint16_t>(halves.v[k]));
  } else {
    const CodeGrid grid = code_grid(at.bits, reinterpret_cast<const float*>(message)[place.scale]);
    const Eight codes = at.bits == 1   ? unpack8<1>(message + place.codes, place.mine, place.padded)
                        : at.bits == 4 ? unpack8<4>(message + place.codes, place.mine, place.padded)
                                       : unpack8<8>(message + place.codes, place.mine, place.padded);
#pragma unroll
    for (int k = 0; k < 8; ++k) x.v[k] = expanded_code(codes.v[k], grid);
  }
  clear_padding(place, x);
  return x;
}

// message ← C(x + error), error ← what is lost. All threads of the block call it, also those that have no values:
// theirs are 0, as the padding is.
__device__ inline void compress(const Layout& at, const Place& place, Eight x, float* error, unsigned char* message) {
  if (error != nullptr && place.has()) {
    const Eight e = load8(error + place.first, place.mine, place.padded);
#pragma unroll
    for (int k = 0; k < 8; ++k) x.v[k] += e.v[k];
  }
  clear_padding(place, x);
  Eight out = x;
  if (at.bits == 32) {
    if (place.has()) store8(reinterpret_cast<float*>(message + place.codes), place.mine, place.padded, x);
  } else if (at.bits == 16) {
    Eight halves;
#pragma unroll
    for (int k = 0; k < 8; ++k) {
      const std::uint16_t half = bfloat16_bits(x.v[k]);
      halves.v[k] = static_cast<float>(half);
      out.v[k] = from_bfloat16(half);
    }
    if (place.has()) pack8<16>(message + place.codes, place.mine, place.padded, halves);
  } else {
    GAMLP_SHARED(double, warps, kWarp);
    float sum = 0.0f, largest = 0.0f;
#pragma unroll
    for (int k = 0; k < 8; ++k) {
      const float magnitude = x.v[k] < 0.0f ? -x.v[k] : x.v[k];
      sum += magnitude;
      largest = magnitude > largest ? magnitude : largest;
    }
    const double all = block_fold<Fold::sum>(static_cast<double>(sum), warps);
    const double most = block_fold<Fold::most>(static_cast<double>(largest), warps);
    const float scale = block_scale(at.bits, all, static_cast<float>(most), place.values);
    if (threadIdx.x == 0) reinterpret_cast<float*>(message)[place.scale] = scale;
    const CodeGrid grid = code_grid(at.bits, scale);
    Eight codes;
#pragma unroll
    for (int k = 0; k < 8; ++k) {
      codes.v[k] = compressed_code(x.v[k], grid);
      out.v[k] = expanded_code(codes.v[k], grid);
    }
    clear_padding(place, out);
    if (place.has()) {
      if (at.bits == 1) {
        pack8<1>(message + place.codes, place.mine, place.padded, codes);
      } else if (at.bits == 4) {
        pack8<4>(message + place.codes, place.mine, place.padded, codes);
      } else {
        pack8<8>(message + place.codes, place.mine, place.padded, codes);
      }
    }
  }
  if (error != nullptr && place.has()) store8(error + place.first, place.mine, place.padded, minus(x, out));
}

constexpr unsigned kCompressThreads = CompressBlocks::kMost / 8;

__global__ void __launch_bounds__(kCompressThreads)
    compress_momentum_kernel(Layout at, const float* momentum, const float* gradient, float keep, float take,
                             float* error, unsigned char* message) {
  const Place place(at);
  Eight x{};
  if (place.has()) {
    const Eight g = load8(gradient + place.first, place.mine, place.padded);
    if (momentum != nullptr) {
      const Eight m = load8(momentum + place.first, place.mine, place.padded);
#pragma unroll
      for (int k = 0; k < 8; ++k) x.v[k] = keep * m.v[k] + take * g.v[k];
    } else {
#pragma unroll
      for (int k = 0; k < 8; ++k) x.v[k] = take * g.v[k];
    }
  }
  compress(at, place, x, error, message);
}

__global__ void __launch_bounds__(kCompressThreads)
    compress_mean_kernel(Layout at, const unsigned char* own, const unsigned char* received, Index bytes, int members,
                         int member, float share, float* error, unsigned char* message) {
  const Place place(at);
  Eight x{};
  if (place.has()) {
    for (int i = 0; i < members; ++i) {
      const Eight part = expanded(at, place, i == member ? own : received + i * bytes);
#pragma unroll
      for (int k = 0; k < 8; ++k) x.v[k] = i == 0 ? part.v[k] : x.v[k] + part.v[k];
    }
#pragma unroll
    for (int k = 0; k < 8; ++k) x.v[k] *= share;
  }
  compress(at, place, x, error, message);
}

__global__ void __launch_bounds__(kCompressThreads)
    momentum_update_kernel(Layout at, const unsigned char* message, float* momentum, float* w, const float* square,
                           MomentumRule rule, const std::uint32_t* iteration, const double* rates, Index count) {
  const Place place(at);
  if (!place.has()) return;
  const std::uint32_t steps = *iteration;
  const MomentumStep step(rule, rate_at(rule.learning_rate, rates, count, steps), steps);
  const Eight m = expanded(at, place, message), squares = load8(square + place.first, place.mine, place.padded);
  Eight ws = load8(w + place.first, place.mine, place.padded);
#pragma unroll
  for (int k = 0; k < 8; ++k) {
    if (place.mine + k < place.values) ws.v[k] = step(ws.v[k], m.v[k], squares.v[k]);
  }
  store8(momentum + place.first, place.mine, place.padded, m);
  store8(w + place.first, place.mine, place.padded, ws);
}

__global__ void __launch_bounds__(kCompressThreads)
    expand_row_kernel(Layout at, const unsigned char* message, float* out) {
  const Place place(at);
  if (place.has()) store8(out + place.first, place.mine, place.padded, expanded(at, place, message));
}

// Enough threads for the longest block.
Grid blocks_grid(const CompressBlocks& at) {
  const auto threads = static_cast<unsigned>(((at.longest + 7) / 8 + kWarp - 1) / kWarp * kWarp);
  return {static_cast<unsigned>(at.table.rows), 1, threads, 0};
}

const unsigned char* bytes_of(ConstBytes m) { return reinterpret_cast<const unsigned char*>(m.data); }
unsigned char* bytes_of(Bytes m) { return reinterpret_cast<unsigned char*>(m.data); }

struct RootSumBody {
  static constexpr int kSums = 1;
  const float* square;
  double* root;
  Index values;
  __device__ void start() {}
  __device__ void each(Index first, Index n, float* sums) const {
    const Eight x = load8(square, first, n);
    for (int k = 0; k < 8; ++k) sums[0] += std::sqrt(x.v[k]);
  }
  __device__ void total(const double* sums) const { *root = sums[0] / static_cast<double>(values); }
};

struct FloorBody {
  static constexpr int kSums = 0;
  float* square;
  const double* root;
  double floor;
  float least;
  __device__ void start() {
    const float at = static_cast<float>(floor * *root);
    least = at * at;
  }
  __device__ void each(Index first, Index n, float*) const {
    Eight x = load8(square, first, n);
    for (int k = 0; k < 8; ++k) x.v[k] = x.v[k] < least ? least : x.v[k];
    store8(square, first, n, x);
  }
};

}  // namespace

void run(const ops::CompressMomentum& op, Queue& queue) {
  if (op.at.table.rows == 0) return;
  launch(queue, ops::CompressMomentum::name, compress_momentum_kernel, blocks_grid(op.at), layout_of(op.at),
         op.momentum.data, op.gradient.data, op.keep, op.take, op.error.data, bytes_of(op.message));
}

void run(const ops::CompressMean& op, Queue& queue) {
  if (op.at.table.rows == 0) return;
  const float share = static_cast<float>(1.0 / static_cast<double>(op.received.rows));
  launch(queue, ops::CompressMean::name, compress_mean_kernel, blocks_grid(op.at), layout_of(op.at), bytes_of(op.own),
         bytes_of(op.received), op.received.cols, static_cast<int>(op.received.rows), op.member, share, op.error.data,
         bytes_of(op.message));
}

void run(const ops::MomentumUpdate& op, Queue& queue) {
  if (op.at.table.rows == 0) return;
  launch(queue, ops::MomentumUpdate::name, momentum_update_kernel, blocks_grid(op.at), layout_of(op.at),
         bytes_of(op.message), op.momentum.data, op.w.data, op.square.data, op.rule, op.iteration.data, op.rates.data,
         op.rates.size());
}

void run(const ops::ExpandRow& op, Queue& queue) {
  if (op.at.table.rows == 0) return;
  launch(queue, ops::ExpandRow::name, expand_row_kernel, blocks_grid(op.at), layout_of(op.at), bytes_of(op.message),
         op.out.data);
}

void run(const ops::FloorSquare& op, Queue& queue) {
  if (op.square.size() == 0) return;
  map(queue, ops::FloorSquare::name, RootSumBody{op.square.data, op.root.data, op.square.size()}, op.square.size());
  map(queue, ops::FloorSquare::name, FloorBody{op.square.data, op.root.data, op.floor, 0.0f}, op.square.size());
}

}  // namespace gamlp::cuda
