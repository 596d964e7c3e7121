// When a stage has converged: the rules of `train.stop`.
//
// Every stage starts with p = q, so its first residuals are tiny and say nothing: they rise as the layers begin to
// move, and fall again as these agree. And a residual may be small while everything still moves together. So a rule
// looks at the last `window` epochs and the one before them:
//   objective  the objective moved by less than `objective` of its size in all of them
//   residual   Σ||p−q||² / Σ||q||² was below `residual` in each of them (the primal side), its peak came before them,
//   and
//              the objective moved by less than `residual` of its size (the dual side: p and q have come to rest)
#pragma once

#include <vector>

#include "host/config/config.hpp"

namespace gamlp {

// What the rules know of a stage; part of checkpoints.
struct RecentEpochs {
  std::vector<double> objectives, residuals;  // relative residuals; of the window and the epoch before, oldest first
  double largest_residual = 0.0;              // since the stage began
  bool operator==(const RecentEpochs&) const = default;
};

// An epoch has ended. NaN: the method has no residual.
void add_epoch(RecentEpochs& recent, double objective, double relative_residual, const StopConfig& stop);
bool converged(const RecentEpochs& recent, const StopConfig& stop);

}  // namespace gamlp
