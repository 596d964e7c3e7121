#include "tests/collectives/checks.hpp"

namespace gamlp::collectives {
namespace {

// Several collectives of two groupings, and messages between neighbours, in one group call. What each transport
// counts are the bytes of the formulas.
class GroupCall {
 public:
  GroupCall(const DeviceContext& on, const RankGroup& group, std::int64_t size)
      : rank_(on.transport->rank()),
        all_group_(RankGroup::all(*on.transport)),
        group_(group),
        gathered_(on, 1, size * group.size()),
        out_(on, 1, size * all_group_.size()),
        in_(on, 1, size * all_group_.size()),
        token_(on, 1, size),
        below_(on, 1, size),
        transport_(on.transport) {
    const Parts own = Parts::even(size * group.size(), group.size(), size < 1 ? 1 : size);
    const Parts each = Parts::even(size * all_group_.size(), all_group_.size(), size < 1 ? 1 : size);
    for (std::int64_t j = 0; j < size; ++j) {
      gathered_.host[static_cast<std::size_t>(own.first(group.own()) + j)] = byte_of(rank_, -1, j, 0);
      token_.host[static_cast<std::size_t>(j)] = byte_of(rank_, -1, j, 2);
      for (int to = 0; to < all_group_.size(); ++to) {
        out_.host[static_cast<std::size_t>(each.first(to) + j)] = byte_of(rank_, to, j, 1);
      }
    }
    for (Tensor<std::byte>* tensor : {&gathered_, &out_, &in_, &token_, &below_}) tensor->upload(on);
    before_ = transport_->counters();
    MessageGroup messages;
    messages.all_gather(group, gathered_.view(), own, {"gathered"});
    messages.all_to_all(all_group_, out_.view(), each, in_.view(), each, {"dealt"});
    if (rank_ + 1 < all_group_.size()) messages.send(rank_ + 1, token_.view(), {"token"});
    if (rank_ > 0) messages.receive(rank_ - 1, below_.view(), {"token"});
    Round round(on, "all in one");
    round.start(messages, "everything that is sent");
    round.finish("everything that is received");
    for (Tensor<std::byte>* tensor : {&gathered_, &in_, &below_}) tensor->download(on);
  }

  std::string problem() const {
    const std::int64_t size = static_cast<std::int64_t>(token_.host.size());
    for (const Tensor<std::byte>* tensor : {&gathered_, &in_, &below_}) {
      if (!tensor->guard_intact()) return "wrote behind a tensor";
    }
    for (std::int64_t j = 0; j < size; ++j) {
      for (int member = 0; member < group_.size(); ++member) {
        const std::byte found = gathered_.host[static_cast<std::size_t>(member * size + j)];
        if (found != byte_of(group_.rank(member), -1, j, 0)) return "a byte that was gathered is wrong";
      }
      for (int from = 0; from < all_group_.size(); ++from) {
        const std::byte found = in_.host[static_cast<std::size_t>(from * size + j)];
        if (found != (from == rank_ ? std::byte{0} : byte_of(from, rank_, j, 1)))
          return "a byte that was dealt is wrong";
      }
      if (rank_ > 0 && below_.host[static_cast<std::size_t>(j)] != byte_of(rank_ - 1, -1, j, 2)) {
        return "a byte of the neighbour's is wrong";
      }
    }
    const auto others = [&](const RankGroup& group) { return static_cast<std::uint64_t>(group.size() - 1); };
    const TransportCounters now = transport_->counters();
    const std::uint64_t collectives = others(group_) + others(all_group_);
    const bool sends = rank_ + 1 < all_group_.size(), receives = rank_ > 0;
    const auto bytes = static_cast<std::uint64_t>(size);
    if (now.bytes_sent - before_.bytes_sent != bytes * (collectives + sends)) return "counted other bytes than it sent";
    if (now.bytes_received - before_.bytes_received != bytes * (collectives + receives)) {
      return "counted other bytes than it received";
    }
    const std::uint64_t messages = size == 0 ? 0 : collectives + sends;
    if (now.messages_sent - before_.messages_sent != messages) return "counted other messages than it sent";
    return "";
  }

 private:
  int rank_;
  RankGroup all_group_, group_;
  Tensor<std::byte> gathered_, out_, in_, token_, below_;
  Transport* transport_;
  TransportCounters before_;
};

}  // namespace

std::string group_call(Fleet& fleet) {
  for (const std::int64_t size : kSizes) {
    const std::string found = run_on_layouts<GroupCall>(fleet, size);
    if (!found.empty()) return found;
  }
  return "";
}

}  // namespace gamlp::collectives
