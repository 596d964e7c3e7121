// With which settings a run may go on, when they are not those that its checkpoint was made with.
#pragma once

#include <string>

#include "host/config/config.hpp"
#include "host/store/checkpoint.hpp"

namespace gamlp {

// Compares the config to go on with, `config`, with that of the checkpoint. Two kinds of settings may change:
//   - where layers are computed, how often the run evaluates and saves, and train.report: these are free;
//   - what changes training from here on: the epochs of the stage that the checkpoint stands in (at least those that
//     are done), later stages, train.stop, and Method::changeable_keys(), e.g. the optimiser's learning rate. Such
//     changes are added to from.continued, for result.json.
// A value that is null in the method of a stage that the run has begun becomes the one that the run chose. Reopens the
// stage when it ended for a reason that no longer holds. Messages name `source`. Throws ConfigError that names every
// key that may not change, and DataError for a checkpoint whose place is not in its own config.
// Returns what a user should know of it, or "": where shards are workers, that their number is another one.
std::string continue_with(Config& config, Checkpoint& from, const std::string& source);

// Whether the checkpoint's stage was over before its last epoch.
bool ended_by_rule(const Config& config, const Checkpoint& from);

// How many epochs there are to train from the checkpoint on.
std::int64_t epochs_left(const Config& config, const Checkpoint& from);

}  // namespace gamlp
