#include "tests/collectives/checks.hpp"

namespace gamlp::collectives {
namespace {

// Equal parts, or parts of other sizes, some of them empty; for two turns in the same memory.
class AllGather {
 public:
  AllGather(const DeviceContext& on, const RankGroup& group, std::int64_t size, bool ragged)
      : group_(group), parts_(parts_of(group.size(), size, ragged)), all_(on, 1, parts_.total()) {
    Round round(on, "all-gather");
    for (int turn = 0; turn < 2; ++turn) {
      turns_[turn].assign(all_.host.size(), std::byte{0xEE});
      for (std::int64_t j = 0; j < parts_.size(group.own()); ++j) {
        turns_[turn][static_cast<std::size_t>(parts_.first(group.own()) + j)] = byte_of(group.own(), -1, j, turn);
      }
      on.compute->enqueue(ops::Upload{turns_[turn].data(), all_.view()});
      MessageGroup messages;
      messages.all_gather(group, all_.view(), parts_, {"part", 0, turn});
      round.start(messages, "the parts");
      round.finish("the parts of all");
      if (turn == 0) on.compute->enqueue(ops::Download{all_.view(), first_turn().data()});
    }
    all_.download(on);
  }

  std::string problem() const {
    if (!all_.guard_intact()) return "wrote behind the tensor";
    for (int turn = 0; turn < 2; ++turn) {
      const std::vector<std::byte>& found = turn == 0 ? first_turn_ : all_.host;
      for (int member = 0; member < group_.size(); ++member) {
        for (std::int64_t j = 0; j < parts_.size(member); ++j) {
          if (found[static_cast<std::size_t>(parts_.first(member) + j)] == byte_of(member, -1, j, turn)) continue;
          return "all-gather of " + std::to_string(parts_.total()) + " bytes, turn " + std::to_string(turn) +
                 ": byte " + std::to_string(j) + " of member " + std::to_string(member) + " is wrong";
        }
      }
    }
    return "";
  }

 private:
  static Parts parts_of(int members, std::int64_t size, bool ragged) {
    std::vector<std::int64_t> sizes;
    for (int member = 0; member < members; ++member) sizes.push_back(ragged ? size * (member % 3) : size);
    return Parts(sizes);
  }
  std::vector<std::byte>& first_turn() {
    first_turn_.resize(all_.host.size());
    return first_turn_;
  }

  RankGroup group_;
  Parts parts_;
  Tensor<std::byte> all_;
  std::vector<std::byte> turns_[2], first_turn_;
};

}  // namespace

std::string all_gather(Fleet& fleet) {
  for (const std::int64_t size : kSizes) {
    for (const bool ragged : {false, true}) {
      const std::string found = run_on_layouts<AllGather>(fleet, size, ragged);
      if (!found.empty()) return found;
    }
  }
  return "";
}

}  // namespace gamlp::collectives
