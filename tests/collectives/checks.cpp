#include "tests/collectives/checks.hpp"

#include <algorithm>
#include <map>
#include <mutex>
#include <tuple>

namespace gamlp::collectives {

std::vector<Layout> layouts(int ranks) {
  std::vector<int> all, even, odd, lower, upper;
  for (int rank = 0; rank < ranks; ++rank) {
    all.push_back(rank);
    (rank % 2 == 0 ? even : odd).push_back(rank);
    (rank < ranks / 2 ? lower : upper).push_back(rank);
  }
  std::vector<int> backwards(all.rbegin(), all.rend());
  std::reverse(upper.begin(), upper.end());
  std::vector<Layout> list = {{{all}}};
  if (ranks > 1) list.insert(list.end(), {{{backwards}}, {{even, odd}}, {{lower, upper}}});
  for (const int each : {2, 3, 4}) {
    if (ranks > each && ranks % each == 0) list.push_back({{each == 2 ? backwards : all}, each});
  }
  return list;
}

RankGroup group_of(const Layout& layout, int rank) {
  for (const std::vector<int>& group : layout.groups) {
    if (std::count(group.begin(), group.end(), rank) == 0) continue;
    std::vector<int> hosts;
    for (int member = 0; layout.per_host > 0 && member < static_cast<int>(group.size()); ++member) {
      hosts.push_back(member / layout.per_host);
    }
    return {group, rank, hosts};
  }
  throw std::logic_error("every rank is in a group");
}

std::string text_of(const Layout& layout) {
  std::string text;
  for (const std::vector<int>& group : layout.groups) {
    text += text.empty() ? "{" : " {";
    for (const int rank : group) text += std::to_string(rank) + (rank == group.back() ? "}" : " ");
  }
  return layout.per_host > 0 ? text + " on hosts of " + std::to_string(layout.per_host) : text;
}

float block_value(int block, std::int64_t j, bool ordered, int turn) {
  if (!ordered) return static_cast<float>((block + 1) * 100 + j % 97 + turn);
  // Large values that cancel, and small ones that get lost in them.
  constexpr float kLarge[] = {3e7f, 0.5f, -2.9e7f, 1.25f, 7e6f, -3e7f};
  return kLarge[(block * 5 + j) % 6] + static_cast<float>(j % 13) * 0.37f + static_cast<float>(turn);
}

const std::vector<float>& sums_of_blocks(int first, int last, std::int64_t values, bool ordered, int turn) {
  static std::recursive_mutex mutex;
  static std::map<std::tuple<int, int, std::int64_t, bool, int>, std::vector<float>> known;
  const std::lock_guard lock(mutex);
  const auto key = std::make_tuple(first, last, values, ordered, turn);
  const auto found = known.find(key);
  if (found != known.end()) return found->second;
  std::vector<float> sums;
  if (last - first == 1) {
    for (std::int64_t j = 0; j < values; ++j) sums.push_back(block_value(first, j, ordered, turn));
  } else {
    int half = 1;
    while (2 * half < last - first) half *= 2;
    sums = sums_of_blocks(first, first + half, values, ordered, turn);
    const std::vector<float>& right = sums_of_blocks(first + half, last, values, ordered, turn);
    for (std::size_t j = 0; j < sums.size(); ++j) sums[j] += right[j];
  }
  return known.emplace(key, std::move(sums)).first->second;
}

std::vector<SumCase> sum_cases() {
  std::vector<SumCase> list;
  for (const std::int64_t values : kSizes) {
    if (values == 70001) {  // large, once
      list.push_back({values, 12, true});
      continue;
    }
    list.push_back({values, 0, false});
    for (const int blocks : {0, 8, 12}) list.push_back({values, blocks, true});
    if (values < 100) list.push_back({values, 64, true});
  }
  return list;
}

std::vector<float> partial_sums(const SumCase& one, const RankGroup& group, int turn) {
  const Parts blocks = one.parts(group.size());
  const BlockSums given(blocks);
  std::vector<float> rows;
  int first = static_cast<int>(blocks.first(group.own()));
  for (const int count : given.branches(group.own())) {
    const std::vector<float>& sums = sums_of_blocks(first, first + count, one.values, one.ordered, turn);
    rows.insert(rows.end(), sums.begin(), sums.end());
    first += count;
  }
  return rows;
}

}  // namespace gamlp::collectives
