#include <cmath>
#include <cstring>
#include <limits>

#include "tests/collectives/checks.hpp"

namespace gamlp::collectives {
namespace {

double scalar_of(int block, std::int64_t j, int turn) {
  return (block % 3 == 0 ? 1e17 : block % 3 == 1 ? -1e17 : 3.0) + static_cast<double>(j * 8 + turn * 64);
}
double sum_of(int first, int last, std::int64_t j, int turn) {
  if (last - first == 1) return scalar_of(first, j, turn);
  int half = 1;
  while (2 * half < last - first) half *= 2;
  return sum_of(first, first + half, j, turn) + sum_of(first + half, last, j, turn);
}
float range_of(int member, std::int64_t j, int turn, int members) {
  if (j == 3 && member == members / 2) return std::numeric_limits<float>::quiet_NaN();
  return static_cast<float>((member * 7 + j * 3 + turn) % 11) - 5.0f;
}

constexpr int kTurns = 3;

// Sums of scalars, and largest values, in turns.
class Small {
 public:
  Small(const DeviceContext& on, const RankGroup& group, std::int64_t values, int blocks)
      : members_(group.size()),
        blocks_(blocks == 0 ? group.size() : blocks),
        values_(values),
        sums_(on, group, BlockSums(Parts::even(blocks_, group.size(), 1)), values, {"scalars"}),
        most_(on, group, BlockSums::one_each(group.size()), values, {"ranges"}),
        out_(on, 1, values),
        largest_(on, 1, values) {
    const Parts blocks_of = Parts::even(blocks_, group.size(), 1);
    const BlockSums given(blocks_of);
    const MatView<double> own = sums_.own();
    const Mat range = most_.own();
    for (int turn = 0; turn < kTurns; ++turn) {
      Turn& t = turns_[turn];
      int first = static_cast<int>(blocks_of.first(group.own()));
      for (const int count : given.branches(group.own())) {
        for (std::int64_t j = 0; j < own.cols; ++j)
          t.in.push_back(j < values ? sum_of(first, first + count, j, turn) : 0);
        first += count;
      }
      for (std::int64_t j = 0; j < range.cols; ++j) t.range.push_back(range_of(group.own(), j, turn, members_));
      t.out.resize(static_cast<std::size_t>(values)), t.largest.resize(static_cast<std::size_t>(values));
      on.compute->enqueue(ops::Upload{reinterpret_cast<const std::byte*>(t.in.data()), as_bytes(own)});
      on.compute->enqueue(ops::Upload{reinterpret_cast<const std::byte*>(t.range.data()), as_bytes(range)});
      sums_.start(turn);
      most_.start(turn);
      sums_.finish(out_.view());
      most_.finish(largest_.view());
      on.compute->enqueue(ops::Download{as_bytes(out_.view()), reinterpret_cast<std::byte*>(t.out.data())});
      on.compute->enqueue(ops::Download{as_bytes(largest_.view()), reinterpret_cast<std::byte*>(t.largest.data())});
    }
    out_.download(on);
    largest_.download(on);
  }

  std::string problem() const {
    if (!out_.guard_intact() || !largest_.guard_intact()) return "wrote behind the tensor";
    for (int turn = 0; turn < kTurns; ++turn) {
      for (std::int64_t j = 0; j < values_; ++j) {
        const std::string where = " of turn " + std::to_string(turn) + ", " + std::to_string(blocks_) +
                                  " blocks, value " + std::to_string(j) + " of " + std::to_string(values_);
        const double sum = sum_of(0, blocks_, j, turn);
        if (std::memcmp(&turns_[turn].out[static_cast<std::size_t>(j)], &sum, sizeof sum) != 0) return "sum" + where;
        float most = range_of(0, j, turn, members_);
        for (int member = 1; member < members_; ++member) {
          const float other = range_of(member, j, turn, members_);
          if (std::isnan(other) || other > most) most = other;
        }
        const float found = turns_[turn].largest[static_cast<std::size_t>(j)];
        if (std::isnan(most) ? !std::isnan(found) : found != most) return "largest value" + where;
      }
    }
    return "";
  }

 private:
  struct Turn {
    std::vector<double> in, out;
    std::vector<float> range, largest;
  };

  int members_, blocks_;
  std::int64_t values_;
  SmallReduction<double> sums_;
  SmallReduction<float> most_;
  Tensor<double> out_;
  Tensor<float> largest_;
  Turn turns_[kTurns];
};

}  // namespace

std::string small_reduction(Fleet& fleet) {
  for (const std::int64_t values : {1, 2, 5, 40}) {
    for (const int blocks : {0, 8, 12, 64}) {
      const std::string found = run_on_layouts<Small>(fleet, values, blocks);
      if (!found.empty()) return found;
    }
  }
  return "";
}

}  // namespace gamlp::collectives
