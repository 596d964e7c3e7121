// Finds the order that a list of ops needs, from the memory that its views name. Spreads the list over branches, so
// that small ops run beside each other.
#pragma once

#include <cstddef>
#include <vector>

#include "host/device/ops.hpp"

namespace gamlp::cuda {

struct OpPlace {
  // The earlier ops of the list that it comes after, as few as say it all. Two ops that touch the same byte, one of
  // them writing, stay in order. So do the ops of a branch, and those that use cuSOLVER.
  std::vector<std::size_t> after;
  // One of 0 … branches−1. One op at a time uses the scratch memory of a branch.
  unsigned branch = 0;
};

std::vector<OpPlace> order_of(const std::vector<Op>& ops, unsigned branches);

// Whether all tensors of the list are small (kSmallTensor, kSmallColumns). Such ops leave most of a GPU idle.
bool all_small(const std::vector<Op>& ops);

}  // namespace gamlp::cuda
