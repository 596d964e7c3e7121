// Products, copies, the forward step, and the receiving half of a message.
#include <algorithm>
#include <cstring>

#include "host/cpu/blas.hpp"
#include "host/cpu/cpu_ops.hpp"
#include "host/cpu/quantize_loop.hpp"
#include "host/math/argmax.hpp"
#include "host/math/hash.hpp"

namespace gamlp::cpu {
namespace {

template <int Bits>
void pack_small(const float* codes, std::int64_t count, std::uint8_t* out) {
  constexpr int kPerByte = 8 / Bits;
  const std::int64_t whole = count / kPerByte;
  for (std::int64_t i = 0; i < whole; ++i) {
    std::uint32_t byte = 0;
    for (int k = 0; k < kPerByte; ++k) {
      byte |= static_cast<std::uint32_t>(static_cast<std::int32_t>(codes[i * kPerByte + k])) << (k * Bits);
    }
    out[i] = static_cast<std::uint8_t>(byte);
  }
  std::uint32_t last = 0;
  for (std::int64_t i = whole * kPerByte; i < count; ++i) {
    last |= static_cast<std::uint32_t>(static_cast<std::int32_t>(codes[i])) << ((i - whole * kPerByte) * Bits);
  }
  if (whole * kPerByte < count) out[whole] = static_cast<std::uint8_t>(last);
}

template <int Bits>
void unpack_small(const std::uint8_t* in, std::int64_t count, float* codes) {
  constexpr int kPerByte = 8 / Bits;
  constexpr std::uint32_t kMask = (1u << Bits) - 1u;
  const std::int64_t whole = count / kPerByte;
  for (std::int64_t i = 0; i < whole; ++i) {
    const std::uint32_t byte = in[i];
    for (int k = 0; k < kPerByte; ++k) {
      codes[i * kPerByte + k] = static_cast<float>(static_cast<std::int32_t>((byte >> (k * Bits)) & kMask));
    }
  }
  for (std::int64_t i = whole * kPerByte; i < count; ++i) {
    codes[i] = static_cast<float>(static_cast<std::int32_t>((in[whole] >> ((i - whole * kPerByte) * Bits)) & kMask));
  }
}

}  // namespace

void pack_codes(const float* codes, std::int64_t first, std::int64_t count, int bits, std::byte* out) {
  auto* bytes = reinterpret_cast<std::uint8_t*>(out) + first * bits / 8;
  switch (bits) {
    case 1:
      return pack_small<1>(codes, count, bytes);
    case 2:
      return pack_small<2>(codes, count, bytes);
    case 4:
      return pack_small<4>(codes, count, bytes);
    case 8:
      return pack_small<8>(codes, count, bytes);
    default:
      for (std::int64_t i = 0; i < count; ++i) {
        const auto code = static_cast<std::uint16_t>(static_cast<std::int32_t>(codes[i]));
        std::memcpy(bytes + 2 * i, &code, 2);
      }
  }
}

void unpack_codes(const std::byte* packed, std::int64_t first, std::int64_t count, int bits, float* codes) {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(packed) + first * bits / 8;
  switch (bits) {
    case 1:
      return unpack_small<1>(bytes, count, codes);
    case 2:
      return unpack_small<2>(bytes, count, codes);
    case 4:
      return unpack_small<4>(bytes, count, codes);
    case 8:
      return unpack_small<8>(bytes, count, codes);
    default:
      for (std::int64_t i = 0; i < count; ++i) {
        std::uint16_t code;
        std::memcpy(&code, bytes + 2 * i, 2);
        codes[i] = static_cast<float>(code);
      }
  }
}

void run(const ops::Gemm& op, Scratch&) { gemm(op.a, op.ta, op.b, op.tb, op.c, op.alpha, op.beta); }
void run(const ops::Gram& op, Scratch&) { gram(op.x, op.out); }
void run(const ops::OuterGram& op, Scratch&) { outer_gram(op.x, op.out); }

void run(const ops::Upload& op, Scratch&) { std::copy_n(op.host, op.out.size(), op.out.data); }
void run(const ops::Download& op, Scratch&) { std::copy_n(op.in.data, op.in.size(), op.host); }
void run(const ops::Copy& op, Scratch&) { std::copy_n(op.in.data, op.out.size(), op.out.data); }
void run(const ops::Zero& op, Scratch&) { std::fill_n(op.out.data, op.out.size(), std::byte{0}); }
void run(const ops::Tick& op, Scratch&) { ++*op.iteration.data; }

void run(const ops::AddHash& op, Scratch&) {
  std::uint32_t low = 0, high = 0;
#pragma omp simd reduction(+ : low, high)
  for (std::int64_t i = 0; i < op.x.size(); ++i) {
    const HashTerm term = hash_term(op.x.data[i], static_cast<std::uint32_t>(i), op.key);
    low += term.low, high += term.high;
  }
  op.hash.data[0] += low, op.hash.data[1] += high;
}

void run(const ops::Forward& op, Scratch&) {
  with_activation(op.f, [&](auto f) {
    const std::int64_t cols = op.z.cols;
    const float* b = op.b.data;
    for (std::int64_t i = 0; i < op.z.rows; ++i) {
      float* z = op.z.row(i);
#pragma omp simd
      for (std::int64_t j = 0; j < cols; ++j) z[j] += b[j];
      float* y = op.in_place ? z : op.y.data != nullptr ? op.y.row(i) : nullptr;
      if (y == nullptr) continue;
#pragma omp simd
      for (std::int64_t j = 0; j < cols; ++j) y[j] = f(z[j]);
    }
  });
}

void run(const ops::Dot& op, Scratch&) {
  *op.out.data = sum_tiles(op.a.size(), [&](std::int64_t first, std::int64_t count) {
    const float *a = op.a.data + first, *b = op.b.data + first;
    float s = 0.0f;
#pragma omp simd reduction(+ : s)
    for (std::int64_t i = 0; i < count; ++i) s += a[i] * b[i];
    return s;
  });
}

void run(const ops::Distance2& op, Scratch&) {
  *op.out.data = sum_tiles(op.a.size(), [&](std::int64_t first, std::int64_t count) {
    const float *a = op.a.data + first, *b = op.b.data + first;
    float s = 0.0f;
#pragma omp simd reduction(+ : s)
    for (std::int64_t i = 0; i < count; ++i) s += (a[i] - b[i]) * (a[i] - b[i]);
    return s;
  });
}

void run(const ops::Correct& op, Scratch&) {
  std::int64_t count = 0;
  for (std::int64_t i = 0; i < op.scores.rows; ++i) {
    count += best_class(op.scores.row(i), op.scores.cols).index == op.labels.data[i];
  }
  *op.count.data = static_cast<double>(count);
}

void run(const ops::ColumnMean& op, Scratch& scratch) {
  ColumnSums sums(op.x.cols, scratch);
  for (std::int64_t i = 0; i < op.x.rows; ++i) {
    const float* x = op.x.row(i);
    float* s = sums.next_row();
#pragma omp simd
    for (std::int64_t j = 0; j < op.x.cols; ++j) s[j] += x[j];
  }
  sums.means(op.divisor(), op.mean.data);
}

void run(const ops::PReceive& op, Scratch&) {
  dequantize_store(op.format, op.message.data, op.p.data, op.p.size(), [](std::int64_t, std::int64_t) {});
}

void run(const ops::QReceive& op, Scratch&) {
  const float rho = op.rho;
  dequantize_store(op.format, op.message.data, op.q.data, op.q.size(), [&](std::int64_t first, std::int64_t count) {
    const float* p = op.p.data + first;
    const float* q = op.q.data + first;
    float* u = op.u.data + first;
#pragma omp simd
    for (std::int64_t i = 0; i < count; ++i) u[i] = dual_step(u[i], p[i], q[i], rho);
  });
}

}  // namespace gamlp::cpu
