// The precision of matrix products: what their inputs are rounded to.
#pragma once

namespace gamlp {

// CUDA devices take the inputs of matrix products as they are, or round them to 10 (tf32) or 7 (bf16) bits of mantissa
// and use tensor cores. State and sums are always float32. CPU workers know only float32.
enum class ProductPrecision { float32, tf32, bf16 };

}  // namespace gamlp
