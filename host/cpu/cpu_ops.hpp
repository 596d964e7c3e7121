// The ops on a CPU worker: one function per op, called on the worker's thread. Fused loops over contiguous
// memory, vectorised by the compiler; per-element rules from host/math.
#pragma once

#include <functional>
#include <span>

#include "host/core/matrix.hpp"
#include "host/device/ops.hpp"

namespace gamlp::cpu {

// Per-worker memory for column sums and the like; grows on first use and is then reused.
class Scratch {
 public:
  std::span<float> floats(std::size_t n) {
    if (floats_.size() < n) floats_.resize(n);
    return {floats_.data(), n};
  }
  std::span<double> doubles(std::size_t n) {
    if (doubles_.size() < n) doubles_.resize(n);
    return {doubles_.data(), n};
  }

 private:
  AlignedVector<float> floats_;
  AlignedVector<double> doubles_;
};

void run(const ops::Gemm&, Scratch&);
void run(const ops::Gram&, Scratch&);
void run(const ops::OuterGram&, Scratch&);
void run(const ops::Upload&, Scratch&);
void run(const ops::Download&, Scratch&);
void run(const ops::Copy&, Scratch&);
void run(const ops::Zero&, Scratch&);
void run(const ops::Tick&, Scratch&);
void run(const ops::Forward&, Scratch&);
void run(const ops::Dot&, Scratch&);
void run(const ops::Distance2&, Scratch&);
void run(const ops::Correct&, Scratch&);
void run(const ops::PReceive&, Scratch&);
void run(const ops::QReceive&, Scratch&);
void run(const ops::PGradient&, Scratch&);
void run(const ops::Descent&, Scratch&);
void run(const ops::PProject&, Scratch&);
void run(const ops::ResidualAdd&, Scratch&);
void run(const ops::TauUpdate&, Scratch&);
void run(const ops::WGradient&, Scratch&);
void run(const ops::ResidualBias&, Scratch&);
void run(const ops::ZStep&, Scratch&);
void run(const ops::SoftmaxStep&, Scratch&);
void run(const ops::QDual&, Scratch&);
void run(const ops::POperators&, Scratch&);
void run(const ops::PInputs&, Scratch&);
void run(const ops::PTarget&, Scratch&);
void run(const ops::ColumnMean&, Scratch&);
void run(const ops::WFactor&, Scratch&);
void run(const ops::WSolve&, Scratch&);
void run(const ops::KernelFactor&, Scratch&);
void run(const ops::Centre&, Scratch&);
void run(const ops::WAnchor&, Scratch&);
void run(const ops::FactorSolve&, Scratch&);
void run(const ops::BiasOfMeans&, Scratch&);
void run(const ops::KernelSolve&, Scratch&);
void run(const ops::ZqExact&, Scratch&);
void run(const ops::SoftmaxExact&, Scratch&);
void run(const ops::SoftmaxGradient&, Scratch&);
void run(const ops::ActivationGradient&, Scratch&);
void run(const ops::OptimizerStep&, Scratch&);

}  // namespace gamlp::cpu
