// Which weights of a stage count as its best.
#pragma once

#include <cstdint>

#include "host/store/checkpoint.hpp"

namespace gamlp {

// Whether weights of validation accuracy `validation` take the place of `best`. `nodes` validate.
//
// The first weights of a stage always do, and so do all where no node validates. Then higher accuracy does. But a stage
// after the first one begins with the weights that it starts from (stage_epoch 0), and these stay, unless others are
// better by half a standard error of their accuracy: a stage of many epochs finds some that classify a few nodes more
// by chance. (A whole one is the rule of Breiman et al., Classification and Regression Trees, 1984, §3.4.3, for
// choosing between models.)
bool takes_place(const BestWeights& best, double validation, std::int64_t nodes);

}  // namespace gamlp
