// The ops on a CUDA device: one function per op, which enqueues kernels or library calls on the queue's stream. Needs
// no CUDA header. Every kernel states its equation and the bytes of device memory that it moves per value.
#pragma once

#include "cuda/core/queue.hpp"
#include "host/device/ops.hpp"

namespace gamlp::cuda {

// Products and factorisations: factors.cu, over cuda/linalg.
void run(const ops::Gemm&, Queue&);
void run(const ops::Gram&, Queue&);
void run(const ops::OuterGram&, Queue&);
void run(const ops::POperators&, Queue&);
void run(const ops::WFactor&, Queue&);
void run(const ops::WSolve&, Queue&);
void run(const ops::KernelFactor&, Queue&);
void run(const ops::FactorSolve&, Queue&);
void run(const ops::KernelSolve&, Queue&);
void run(const ops::BiasOfMeans&, Queue&);

void run(const ops::Upload&, Queue&);
void run(const ops::Download&, Queue&);
void run(const ops::Copy&, Queue&);
void run(const ops::Zero&, Queue&);

// Elementwise: each in the file of its name, or in the one named here.
void run(const ops::Forward&, Queue&);
void run(const ops::Descent&, Queue&);
void run(const ops::PProject&, Queue&);
void run(const ops::PTarget&, Queue&);  // p_project.cu
void run(const ops::ZStep&, Queue&);
void run(const ops::QDual&, Queue&);
void run(const ops::ZqExact&, Queue&);
void run(const ops::SoftmaxStep&, Queue&);
void run(const ops::SoftmaxExact&, Queue&);     // softmax_step.cu
void run(const ops::SoftmaxGradient&, Queue&);  // softmax_step.cu
void run(const ops::ActivationGradient&, Queue&);
void run(const ops::OptimizerStep&, Queue&);
void run(const ops::Correct&, Queue&);
void run(const ops::ColumnMean&, Queue&);
void run(const ops::ResidualBias&, Queue&);  // column_mean.cu
void run(const ops::PReceive&, Queue&);      // receive.cu
void run(const ops::QReceive&, Queue&);
void run(const ops::Dot&, Queue&);  // sums.cu
void run(const ops::Distance2&, Queue&);
void run(const ops::ResidualAdd&, Queue&);
void run(const ops::WGradient&, Queue&);
void run(const ops::PGradient&, Queue&);
void run(const ops::PInputs&, Queue&);  // exact_inputs.cu
void run(const ops::Centre&, Queue&);
void run(const ops::WAnchor&, Queue&);
void run(const ops::Tick&, Queue&);  // scalars.cu
void run(const ops::TauUpdate&, Queue&);

}  // namespace gamlp::cuda
