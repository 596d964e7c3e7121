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
//   patience   when so many epochs have passed since its best validation accuracy (exhausted()).
// The dual residual of ADMM is ρ (q − q'). The p-step goes by q', so its optimality lacks just that.
#pragma once

#include <optional>

#include "host/config/train.hpp"
#include "host/store/metrics.hpp"

namespace gamlp {

// Adds the figures of an epoch that has ended.
void add_epoch(RecentEpochs& recent, const EpochRecord& record, const StopConfig& stop);
// By the objective or the residual.
bool converged(const RecentEpochs& recent, const StopConfig& stop);
// By patience, when `done` epochs of the stage are over. Evaluation runs beside training: so it goes by the evaluations
// of the epochs before the last, of which every `every`-th is evaluated. `best` was the best of them, if there is one.
bool exhausted(std::int64_t done, std::optional<std::int64_t> best, std::int64_t every, const StopConfig& stop);

}  // namespace gamlp
