// What the inputs of matrix products are rounded to.
#pragma once

namespace gamlp {

// Inputs of the matrix products on CUDA devices: as they are, or rounded to 10 (tf32) or 7 (bf16) bits of mantissa, on
// tensor cores; state and sums are float32 always. CPU workers know float32 only.
enum class ProductPrecision { float32, tf32, bf16 };

}  // namespace gamlp
