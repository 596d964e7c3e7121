#include "tests/collectives/checks.hpp"

namespace gamlp::collectives {
namespace {

// Member i sends size × (i + 2 k) % 5 bytes to member k, or `size` to each.
class AllToAll {
 public:
  AllToAll(const DeviceContext& on, const RankGroup& group, std::int64_t size, bool ragged)
      : group_(group),
        out_parts_(parts_of(group, size, ragged, true)),
        in_parts_(parts_of(group, size, ragged, false)),
        out_(on, 1, out_parts_.total()),
        in_(on, 1, in_parts_.total()) {
    for (int to = 0; to < group.size(); ++to) {
      for (std::int64_t j = 0; j < out_parts_.size(to); ++j) {
        out_.host[static_cast<std::size_t>(out_parts_.first(to) + j)] = byte_of(group.own(), to, j, 0);
      }
    }
    std::fill(in_.host.begin(), in_.host.end(), kUntouched);
    out_.upload(on);
    in_.upload(on);
    Round round(on, "all-to-all");
    MessageGroup messages;
    messages.all_to_all(group, out_.view(), out_parts_, in_.view(), in_parts_, {"part"});
    round.start(messages, "the parts to send");
    round.finish("the parts received");
    in_.download(on);
  }

  std::string problem() const {
    if (!in_.guard_intact()) return "wrote behind the tensor";
    for (int from = 0; from < group_.size(); ++from) {
      for (std::int64_t j = 0; j < in_parts_.size(from); ++j) {
        const std::byte expected = from == group_.own() ? kUntouched : byte_of(from, group_.own(), j, 0);
        if (in_.host[static_cast<std::size_t>(in_parts_.first(from) + j)] == expected) continue;
        return "all-to-all: byte " + std::to_string(j) + " of " + std::to_string(in_parts_.size(from)) +
               " from member " + std::to_string(from) + " is wrong";
      }
    }
    return "";
  }

 private:
  static constexpr std::byte kUntouched{0xEE};

  static Parts parts_of(const RankGroup& group, std::int64_t size, bool ragged, bool out) {
    std::vector<std::int64_t> sizes;
    for (int other = 0; other < group.size(); ++other) {
      const int from = out ? group.own() : other, to = out ? other : group.own();
      sizes.push_back(ragged ? size * ((from + 2 * to) % 5) : size);
    }
    return Parts(sizes);
  }

  RankGroup group_;
  Parts out_parts_, in_parts_;
  Tensor<std::byte> out_, in_;
};

}  // namespace

std::string all_to_all(Fleet& fleet) {
  for (const std::int64_t size : kSizes) {
    for (const bool ragged : {false, true}) {
      const std::string found = run_on_layouts<AllToAll>(fleet, size, ragged);
      if (!found.empty()) return found;
    }
  }
  return "";
}

}  // namespace gamlp::collectives
