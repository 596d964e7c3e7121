// Which settings a run may go on with, when they are not those that its checkpoint was made with.
#pragma once

#include <string>

#include "host/config/config.hpp"
#include "host/store/checkpoint.hpp"

namespace gamlp {

// Of a checkpoint and the config to go on with. Free to change are where layers are computed and how often is evaluated
// and saved; what changes training from here on is kept in from.continued, for result.json: epochs of the stage that
// the checkpoint stands in (at least those that are done), stages behind it, train.stop, the optimiser's learning rate.
// Reopens the stage when it ended for a reason that no longer holds. `source` is what messages name. Throws ConfigError
// naming every key that may not change, DataError for a checkpoint that is nowhere in the config.
void continue_with(const Config& config, Checkpoint& from, const std::string& source);

// The checkpoint's stage is over before its last epoch.
bool ended_by_rule(const Config& config, const Checkpoint& from);

// Epochs that there are to train from the checkpoint on.
std::int64_t epochs_left(const Config& config, const Checkpoint& from);

}  // namespace gamlp
