#include <cstring>

#include "tests/collectives/checks.hpp"

namespace gamlp::collectives {
namespace {

// Three turns of one Reduction, which use its memory again and again.
class AllReduce {
 public:
  AllReduce(const DeviceContext& on, const RankGroup& group, const SumCase& one)
      : one_(one),
        blocks_(static_cast<int>(one.parts(group.size()).total())),
        partials_(on, BlockSums(one.parts(group.size())).given().size(group.own()), one.values),
        out_(on, 1, one.values),
        reduction_(on, group, BlockSums(one.parts(group.size())), Reduction::even_parts(one.values, group), {"sums"}) {
    for (int turn = 0; turn < kTurns; ++turn) {
      in_[turn] = partial_sums(one, group, turn);
      found_[turn].resize(static_cast<std::size_t>(one.values), -1.0f);
      if (!in_[turn].empty()) {
        on.compute->enqueue(
            ops::Upload{reinterpret_cast<const std::byte*>(in_[turn].data()), as_bytes(partials_.view())});
      }
      reduction_.scatter(partials_.view(), turn);
      reduction_.sum(out_.view());
      reduction_.gather(out_.view());
      reduction_.finish();
      if (one.values > 0) {
        on.compute->enqueue(ops::Download{as_bytes(out_.view()), reinterpret_cast<std::byte*>(found_[turn].data())});
      }
    }
    out_.download(on);
  }

  std::string problem() const {
    if (!out_.guard_intact()) return "wrote behind the tensor";
    for (int turn = 0; turn < kTurns; ++turn) {
      const std::vector<float>& expected = sums_of_blocks(0, blocks_, one_.values, one_.ordered, turn);
      for (std::size_t j = 0; j < expected.size(); ++j) {
        if (std::memcmp(&found_[turn][j], &expected[j], sizeof(float)) == 0) continue;
        return "all-reduce of " + std::to_string(one_.values) + " values over " + std::to_string(blocks_) +
               " blocks, turn " + std::to_string(turn) + ": value " + std::to_string(j) + " is wrong";
      }
    }
    return "";
  }

 private:
  static constexpr int kTurns = 3;
  SumCase one_;
  int blocks_;
  Tensor<float> partials_, out_;
  Reduction reduction_;
  std::vector<float> in_[kTurns], found_[kTurns];
};

}  // namespace

std::string all_reduce(Fleet& fleet) {
  for (const SumCase& one : sum_cases()) {
    const std::string found = run_on_layouts<AllReduce>(fleet, one);
    if (!found.empty()) return found;
  }
  return "";
}

}  // namespace gamlp::collectives
