// When a stage has converged: the rules of `train.stop`.
//
// Every stage starts with p = q, so its first residuals are tiny and say nothing: they rise as the layers begin to
// move, and fall again as these agree. And a residual may be small while everything still moves together. So a rule
// looks at the last `window` epochs and the one before them:
//   objective  the objective moved by less than `objective` of its size in all of them
//   residual   in each of them two residuals were below `residual`: the primal one, Σ||p−q||² / Σ||q||², and the
//              dual one, Σ||q−q'||² / Σ||q||² with q' of the epoch before; the primal one's peak came before them;
//              and the objective moved by less than `residual` of its size: p and q agree, and all has come to rest
// The dual residual of ADMM is ρ (q − q'): the p-step goes by q', so its optimality lacks just that.
#pragma once

#include "host/config/train.hpp"
#include "host/store/metrics.hpp"

namespace gamlp {

// An epoch has ended.
void add_epoch(RecentEpochs& recent, const EpochRecord& record, const StopConfig& stop);
bool converged(const RecentEpochs& recent, const StopConfig& stop);

}  // namespace gamlp
