// The order that a list of ops needs, from the memory that its views name; and how to spread it over branches, so that
// small ops run beside each other.
#pragma once

#include <cstddef>
#include <vector>

#include "host/device/ops.hpp"

namespace gamlp::cuda {

struct OpPlace {
  // Earlier ops of the list, as few as say it all: two ops that touch the same byte, one of them writing, stay in
  // order, and so do those of a branch, and those that use cuSOLVER.
  std::vector<std::size_t> after;
  // Of 0 … branches−1; the scratch memory of a branch is used by one op at a time.
  unsigned branch = 0;
};

std::vector<OpPlace> order_of(const std::vector<Op>& ops, unsigned branches);

// Whether all tensors of the list are small (kSmallTensor): such ops leave most of a GPU idle.
bool all_small(const std::vector<Op>& ops);

}  // namespace gamlp::cuda
