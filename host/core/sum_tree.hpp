// The order in which partial sums are added up.
//
// A sum over training nodes is made of partial sums over blocks of nodes, 0 … count−1. They are added by a binary tree
// that the number of blocks alone decides: the sum over blocks lo … hi−1 is that over lo … mid−1 plus that over
// mid … hi−1, where mid − lo is the largest power of two below hi − lo. A device that owns all blocks of a branch
// hands over one sum for it. So the bits of the total do not depend on which device owns which blocks.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace gamlp {

inline constexpr int kMaxSumParts = 64;  // at most as many blocks
inline constexpr int kSumDepth = 7;      // sums that wait to be merged at a time, for that many blocks

// How to add up parts, from the first to the last: after part i, the last two sums become their sum, merges[i] times.
struct SumTree {
  std::int32_t parts = 0;
  std::array<std::uint8_t, kMaxSumParts> merges{};
  bool operator==(const SumTree&) const = default;
};

// The branches that blocks first … last−1 of `blocks` consist of: how many blocks each has, in order.
std::vector<int> branches_of(int blocks, int first, int last);

// The same blocks one after the other, each a part of its own: after which of them sums become one, so that in the end
// one is left for each branch.
SumTree branch_tree(int blocks, int first, int last);

// The order for 1 to kMaxSumParts parts that are branches of the tree over all blocks: part i has sizes[i] of them.
SumTree sum_tree(std::span<const int> sizes);

}  // namespace gamlp
