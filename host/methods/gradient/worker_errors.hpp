// The errors of compression that workers have kept ("worker_error3": of a layer those of each worker, one after the
// other), where a run goes on with another number of workers.
#pragma once

#include <optional>

#include "host/methods/common/method.hpp"

namespace gamlp {

// What the errors of the workers make of the gradient together, which stays the same.
enum class ErrorsAre { averaged, added };

// `tensor` has a share of each of `before` members, one after the other. Afterwards it has one of each of `after`
// members: the sum of what there were, divided by `divisor`. Values are float32, or double where an item has 8 bytes.
void share_out(HostTensor& tensor, std::int64_t before, std::int64_t after, double divisor);

// Returns the state in which each of `workers` workers has the mean of the errors that there were, or its share of
// their sum. Nothing where there are as many workers as before. `unit`: where tensors of the rows begin (LayerRow).
std::optional<FittedState> fitted_errors(const TrainingState& state, const StageSpec& spec, ErrorsAre together,
                                         std::int64_t workers, std::int64_t unit);

}  // namespace gamlp
