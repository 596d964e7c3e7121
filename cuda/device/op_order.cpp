#include "cuda/device/op_order.hpp"

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "cuda/core/queue.hpp"
#include "host/device/device.hpp"

namespace gamlp::cuda {
namespace {

struct Range {
  std::uintptr_t begin, end;
  bool written;
};

// Works in memory of the one cuSOLVER handle that a stream has (linalg.hpp), so not beside another such op.
template <class AnyOp>
concept UsesSolver = bool(AnyOp::uses_solver);

std::vector<Range> ranges_of(const Op& op) {
  static const char solver = 0;  // its address stands for the handle's memory
  std::vector<Range> ranges;
  std::visit(
      [&]<class AnyOp>(const AnyOp& o) {
        if constexpr (UsesSolver<AnyOp>) {
          const auto begin = reinterpret_cast<std::uintptr_t>(&solver);
          ranges.push_back({begin, begin + 1, true});
        }
        o.views([&]<class T>(const char*, const MatView<T>& view) {
          if (view.empty()) return;
          const auto begin = reinterpret_cast<std::uintptr_t>(view.data);
          ranges.push_back({begin, begin + static_cast<std::size_t>(view.size()) * sizeof(T), !std::is_const_v<T>});
        });
      },
      op.variant());
  return ranges;
}

bool conflict(const std::vector<Range>& a, const std::vector<Range>& b) {
  for (const Range& x : a) {
    for (const Range& y : b) {
      if ((x.written || y.written) && x.begin < y.end && y.begin < x.end) return true;
    }
  }
  return false;
}

}  // namespace

std::vector<OpPlace> order_of(const std::vector<Op>& ops, unsigned branches) {
  const std::size_t n = ops.size();
  std::vector<std::vector<Range>> ranges;
  for (const Op& op : ops) ranges.push_back(ranges_of(op));
  std::vector<OpPlace> places(n);
  std::vector<std::vector<bool>> before(n, std::vector<bool>(n));  // before[i][j]: j is known to be over when i starts
  const auto add = [&](std::size_t i, std::size_t j) {
    if (before[i][j]) return;
    places[i].after.push_back(j);
    for (std::size_t k = 0; k < j; ++k) before[i][k] = before[i][k] || before[j][k];
    before[i][j] = true;
  };
  constexpr std::size_t kNone = static_cast<std::size_t>(-1);
  std::vector<std::size_t> last(branches, kNone);  // op of each branch
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = i; j-- > 0;) {
      if (!before[i][j] && conflict(ranges[i], ranges[j])) add(i, j);
    }
    // The branch whose last op is the latest that is over anyway; else a fresh one; else the one that is idle longest.
    unsigned best = 0;
    bool known = false;
    for (unsigned b = 0; b < branches; ++b) {
      if (last[b] == kNone || !before[i][last[b]]) continue;
      if (!known || last[b] > last[best]) best = b;
      known = true;
    }
    for (unsigned b = 0; b < branches && !known; ++b) {
      if (last[b] == kNone) best = b, known = true;
    }
    if (!known) best = static_cast<unsigned>(std::min_element(last.begin(), last.end()) - last.begin());
    if (last[best] != kNone) add(i, last[best]);
    places[i].branch = best;
    last[best] = i;
  }
  return places;
}

bool all_small(const std::vector<Op>& ops) {
  return std::all_of(ops.begin(), ops.end(), [](const Op& op) {
    return std::visit(
        [](const auto& o) {
          bool small = true;
          o.views([&](const char*, const auto& view) {
            const std::int64_t values = view.size() * static_cast<std::int64_t>(sizeof *view.data) / 4;
            small = small && values <= kSmallTensor && (view.rows == 1 || view.cols <= kSmallColumns);
          });
          return small;
        },
        op.variant());
  });
}

}  // namespace gamlp::cuda
