// Schedules of the learning rate, as torch.optim.lr_scheduler defines them: LinearLR for the warm-up, then
// CosineAnnealingLR or StepLR.
#pragma once

#include <cstdint>
#include <vector>

#include "host/methods/gradient/gradient_config.hpp"

namespace gamlp {

// Returns the learning rate of each of a stage's `epochs` steps. With a constant rate it is empty. `optimizer` is
// resolved. With base rate r and warm-up of w steps, step t (0-based) has
//   r (t + 1)/(w + 1)                                              t < w
//   r (f + (1 − f)(1 + cos(π (t − w)/(epochs − w)))/2)             cosine, f = final
//   r factor^⌊(t − w)/every⌋                                       step
std::vector<double> learning_rates(const OptimizerConfig& optimizer, std::int64_t epochs);

}  // namespace gamlp
