// The ops on a CUDA device. There is one function per op, which enqueues kernels or library calls on the queue's
// stream. This header needs no CUDA header. Every kernel states its equation and the bytes of device memory that it
// moves per value.
#pragma once

#include "cuda/core/queue.hpp"
#include "host/device/ops/list.hpp"

namespace gamlp::cuda {

// An op is in the file of its name, or of its family: products and factorisations in factors.cu, over cuda/linalg;
// copies in copies.cpp; sums in sums.cu; the three softmax ops in softmax_step.cu; the exact update's elementwise
// inputs in exact_inputs.cu; the scalars in scalars.cu.
#define GAMLP_RUN(name) void run(const ops::name&, Queue&);
GAMLP_OPS(GAMLP_RUN)
#undef GAMLP_RUN

}  // namespace gamlp::cuda
