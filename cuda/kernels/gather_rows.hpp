// Rows of a matrix by number.
#pragma once

#include "cuda/core/queue.hpp"

namespace gamlp::cuda {

// out (count × cols) ← rows rows[0 … count−1] of `from`; cols a multiple of 4.
void gather_rows(CUstream_st* stream, const float* from, Index cols, const std::int32_t* rows, Index count, float* out);

}  // namespace gamlp::cuda
