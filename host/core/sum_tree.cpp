#include "host/core/sum_tree.hpp"

#include <algorithm>
#include <bit>

#include "host/core/error.hpp"

namespace gamlp {
namespace {

// Where the tree divides blocks lo … hi−1, at least two.
int tree_middle(int lo, int hi) { return lo + static_cast<int>(std::bit_floor(static_cast<unsigned>(hi - lo - 1))); }

}  // namespace

std::vector<int> branches_of(int blocks, int first, int last) {
  std::vector<int> found;
  const auto visit = [&](const auto& self, int lo, int hi) -> void {
    if (hi <= first || lo >= last) return;
    if (lo >= first && hi <= last) return found.push_back(hi - lo);
    const int mid = tree_middle(lo, hi);
    self(self, lo, mid);
    self(self, mid, hi);
  };
  if (blocks > 0) visit(visit, 0, blocks);
  return found;
}

SumTree branch_tree(int blocks, int first, int last) {
  SumTree all;
  for (const int size : branches_of(blocks, first, last)) {
    const SumTree one = sum_tree(std::vector<int>(static_cast<std::size_t>(size), 1));
    std::copy_n(one.merges.begin(), size, all.merges.begin() + all.parts);
    all.parts += size;
  }
  return all;
}

SumTree sum_tree(std::span<const int> sizes) {
  expects(!sizes.empty() && sizes.size() <= static_cast<std::size_t>(kMaxSumParts), "sum_tree: 1 to 64 parts");
  int blocks = 0;
  for (const int size : sizes) blocks += size;
  SumTree tree;
  const auto visit = [&](const auto& self, int lo, int hi) -> void {
    const auto next = static_cast<std::size_t>(tree.parts);
    if (next < sizes.size() && sizes[next] == hi - lo) {
      ++tree.parts;
      return;
    }
    expects(hi - lo > 1, "sum_tree: a part is a branch of the tree");
    const int mid = tree_middle(lo, hi);
    self(self, lo, mid);
    self(self, mid, hi);
    ++tree.merges[static_cast<std::size_t>(tree.parts) - 1];
  };
  visit(visit, 0, blocks);
  return tree;
}

}  // namespace gamlp
