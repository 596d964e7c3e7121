// Correct and Smooth (Huang et al., arXiv 2010.13993): improves a model's class probabilities by the labels of its
// training nodes, which it passes along the graph after training. It trains nothing.
//
//   correct   E = Y − Z on training nodes, else 0, is propagated: E ← (1 − α) E₀ + α Ã E. Every row of it is scaled to
//             the mean ‖E₀‖₁ of a training node, and added to Z ("autoscale").
//   smooth    G₀ has the labels Y on training nodes, else Z. It is propagated likewise: G ← (1 − α) G₀ + α Ã G.
//
// Ã is the operator that propagated the features.
#pragma once

#include <cstdint>
#include <span>

#include "host/core/matrix.hpp"
#include "host/graph/csr.hpp"

namespace gamlp {

struct CorrectAndSmooth {
  double correct = 0.8, smooth = 0.8;  // α of each step, 0 … 1; 0 leaves the step out
  int iterations = 50;                 // of each
  int threads = 1;                     // changes no bit of the result
};

// Returns the new probabilities of every node, N × C. Rows need not add up to 1. `probabilities` is N × C. `labels` has
// for every node the class that is known of it, or a negative number: those of training nodes.
Matrix correct_and_smooth(const Csr& propagation, const Matrix& probabilities, std::span<const std::int32_t> labels,
                          const CorrectAndSmooth& options);

// Each step alone, for one who tries several strengths: the second takes what the first returns.
Matrix correct_step(const Csr& propagation, Matrix probabilities, std::span<const std::int32_t> labels,
                    const CorrectAndSmooth& options);
Matrix smooth_step(const Csr& propagation, Matrix probabilities, std::span<const std::int32_t> labels,
                   const CorrectAndSmooth& options);

}  // namespace gamlp
