// Gathers rows of a matrix by their numbers.
#pragma once

#include "cuda/core/queue.hpp"

namespace gamlp::cuda {

// out (count × cols) ← the rows rows[0 … count−1] of `from`. cols is a multiple of 4.
void gather_rows(CUstream_st* stream, const float* from, Index cols, const std::int32_t* rows, Index count, float* out);

}  // namespace gamlp::cuda
