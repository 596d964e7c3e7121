// Checks of collectives on any fleet: threads, processes, GPUs, simulated devices. What each member puts in follows
// from its number, so every member knows what must come out. A check returns what is wrong first, or "".
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "host/device/collectives.hpp"
#include "host/device/fleet.hpp"

namespace gamlp::collectives {

std::string all_gather(Fleet& fleet);
std::string all_to_all(Fleet& fleet);
std::string broadcast(Fleet& fleet);
std::string reduce_scatter(Fleet& fleet);
std::string all_reduce(Fleet& fleet);
std::string small_reduction(Fleet& fleet);
std::string group_call(Fleet& fleet);

struct Check {
  const char* name;
  std::string (*run)(Fleet&);
};
inline constexpr Check kChecks[] = {{"all-gather", all_gather}, {"all-to-all", all_to_all},
                                    {"broadcast", broadcast},   {"reduce-scatter", reduce_scatter},
                                    {"all-reduce", all_reduce}, {"small reduction", small_reduction},
                                    {"group call", group_call}};

// ---- for the checks ----------------------------------------------------------------------------------

// The groups that the ranks of a run form at a time. Each rank is in one of them.
struct Layout {
  std::vector<std::vector<int>> groups;
  int per_host = 0;  // so many members of a group, one after the other, are on a host; 0: all are on one
};
// One group of all; all in another order; even and odd ranks; two halves, one of them backwards. All on hosts of 2, 3
// and 4, where as many ranks are on each.
std::vector<Layout> layouts(int ranks);
RankGroup group_of(const Layout& layout, int rank);
std::string text_of(const Layout& layout);

// None, one, an odd number, many; and more than any transport sends in one piece.
inline constexpr std::int64_t kSizes[] = {0, 1, 63, 1000, 70001};

// Byte j of what member `from` has for member `to` (or for all, −1), in turn `turn`.
inline std::byte byte_of(int from, int to, std::int64_t j, int turn) {
  return static_cast<std::byte>((from * 61 + (to + 1) * 17 + j * 7 + j / 251 + turn * 101) & 255);
}

// Device memory of one tensor, with guard bytes behind it, and its contents on the host.
template <class T>
class Tensor {
 public:
  static constexpr std::int64_t kGuard = 16;
  Tensor(const DeviceContext& on, std::int64_t rows, std::int64_t cols)
      : host(static_cast<std::size_t>(rows * cols), T{}),
        rows_(rows),
        cols_(cols),
        memory_(on.device->allocate(host.size() * sizeof(T) + kGuard, "tensor", MemoryKind::exchange)),
        guard_(static_cast<std::size_t>(kGuard), std::byte{0x5A}) {
    on.compute->enqueue(ops::Upload{guard_.data(), guard()});
  }

  MatView<T> view() const { return memory_.view<T>(rows_, cols_); }
  void upload(const DeviceContext& on) {
    if (!host.empty())
      on.compute->enqueue(ops::Upload{reinterpret_cast<const std::byte*>(host.data()), as_bytes(view())});
  }
  void download(const DeviceContext& on) {
    if (!host.empty()) on.compute->enqueue(ops::Download{as_bytes(view()), reinterpret_cast<std::byte*>(host.data())});
    on.compute->enqueue(ops::Download{guard(), guard_.data()});
  }
  // After a download.
  bool guard_intact() const {
    for (const std::byte b : guard_) {
      if (b != std::byte{0x5A}) return false;
    }
    return true;
  }

  std::vector<T> host;

 private:
  Bytes guard() const {
    return {memory_.raw(memory_.bytes()).data + static_cast<std::int64_t>(host.size() * sizeof(T)), 1, kGuard};
  }
  std::int64_t rows_, cols_;
  Buffer memory_;
  std::vector<std::byte> guard_;
};

// Builds State(context, group, arguments…) on every device, whose constructor enqueues what is to be checked. Waits,
// then asks each for problem(), and returns the first there is.
template <class State, class... Arguments>
std::string run_on_all(Fleet& fleet, const Layout& layout, const Arguments&... arguments) {
  std::vector<std::unique_ptr<State>> states(static_cast<std::size_t>(fleet.size()));
  const auto state = [&](int rank) -> std::unique_ptr<State>& { return states[static_cast<std::size_t>(rank)]; };
  fleet.post_all(fleet.size(), [&](int rank) {
    state(rank) = std::make_unique<State>(fleet.context(rank), group_of(layout, rank), arguments...);
  });
  fleet.post_all(fleet.size(), [&](int rank) {
    fleet.context(rank).compute->synchronize();
    fleet.context(rank).exchange->synchronize();
  });
  fleet.wait();
  std::string found;
  for (int rank = 0; rank < fleet.size() && found.empty(); ++rank) {
    if (!fleet.local(rank)) continue;
    found = state(rank)->problem();
    if (!found.empty()) found = text_of(layout) + ", rank " + std::to_string(rank) + ": " + found;
  }
  fleet.post_all(fleet.size(), [&](int rank) { state(rank).reset(); });  // by the thread of the device
  fleet.wait();
  return found;
}

// run_on_all() for each layout.
template <class State, class... Arguments>
std::string run_on_layouts(Fleet& fleet, const Arguments&... arguments) {
  for (const Layout& layout : layouts(fleet.size())) {
    const std::string found = run_on_all<State>(fleet, layout, arguments...);
    if (!found.empty()) return found;
  }
  return "";
}

// ---- sums --------------------------------------------------------------------------------------------

// Value j of block `block`: small integers, whose sum is exact in any order; or values whose sum depends on the order.
float block_value(int block, std::int64_t j, bool ordered, int turn);
// The sums over blocks first … last−1, of `values` values, in the order of host/core/sum_tree.hpp. Found by recursion,
// once: they are kept.
const std::vector<float>& sums_of_blocks(int first, int last, std::int64_t values, bool ordered, int turn);

// How the blocks of a tensor are dealt: one each, or so many, as evenly as can be.
struct SumCase {
  std::int64_t values;
  int blocks;  // 0: one for each member
  bool ordered;
  Parts parts(int members) const {
    return blocks == 0 ? Parts::even(members, members, 1) : Parts::even(blocks, members, 1);
  }
};
std::vector<SumCase> sum_cases();
// This member's partial sums, as rows: of each branch of its blocks.
std::vector<float> partial_sums(const SumCase& one, const RankGroup& group, int turn);

}  // namespace gamlp::collectives
