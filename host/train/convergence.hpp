// The rules of `train.stop` say when a stage has converged.
//
// Every stage starts with p = q, so its first residuals are tiny and say nothing. They rise as the layers begin to
// move, and fall again as the layers agree. And a residual may be small while everything still moves together. So a
// rule looks at the last `window` epochs and the one before them. A stage has converged by
//   objective  when the objective moved by less than `objective` of its size in all of them;
//   residual   when in each of them two residuals were below `residual`: the primal one, Σ||p−q||² / Σ||q||², and the
//              dual one, Σ||q−q'||² / Σ||q||² with q' of the epoch before; when the peak of the primal one came before
//              them; and when the objective moved by less than `residual` of its size. Then p and q agree, and all has
//              come to rest.
// The dual residual of ADMM is ρ (q − q'). The p-step goes by q', so its optimality lacks just that.
#pragma once

#include "host/config/train.hpp"
#include "host/store/metrics.hpp"

namespace gamlp {

// Adds the figures of an epoch that has ended.
void add_epoch(RecentEpochs& recent, const EpochRecord& record, const StopConfig& stop);
bool converged(const RecentEpochs& recent, const StopConfig& stop);

}  // namespace gamlp
