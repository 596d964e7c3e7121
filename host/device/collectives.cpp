#include "host/device/collectives.hpp"

#include <algorithm>
#include <utility>

#include "host/core/error.hpp"

namespace gamlp {
namespace {

// From here on a broadcast goes in parts. Below, the second group's wait costs more than it saves.
constexpr std::int64_t kLargeBroadcast = std::int64_t{1} << 18;

// Calls what(other) for every other member, beginning behind this one, so that members do not all send to the same.
template <class What>
void for_others(const RankGroup& group, What what) {
  for (int step = 1; step < group.size(); ++step) what((group.own() + step) % group.size());
}

}  // namespace

RankGroup::RankGroup(std::vector<int> ranks, int own) : ranks_(std::move(ranks)), own_(-1) {
  for (std::size_t i = 0; i < ranks_.size(); ++i) {
    if (ranks_[i] == own) own_ = static_cast<int>(i);
    expects(std::count(ranks_.begin(), ranks_.end(), ranks_[i]) == 1, "the members of a group are different ranks");
  }
  expects(own_ >= 0, "a device is a member of its groups");
}

RankGroup RankGroup::all(const Transport& transport) {
  std::vector<int> ranks;
  for (int rank = 0; rank < transport.size(); ++rank) ranks.push_back(rank);
  return {std::move(ranks), transport.rank()};
}

// ---- messages ----------------------------------------------------------------------------------------

void MessageGroup::send(int rank, ConstBytes message, const MessageLabel& label) {
  if (!message.empty()) sends_.push_back({rank, message, label});
}

void MessageGroup::receive(int rank, Bytes message, const MessageLabel& label) {
  if (!message.empty()) receives_.push_back({rank, message, label});
}

void MessageGroup::all_gather(const RankGroup& group, Bytes all, const Parts& bytes, const MessageLabel& label) {
  expects(bytes.count() == group.size(), "all_gather: a part for each member");
  for_others(group, [&](int other) {
    send(group.rank(other), bytes.of(all, group.own()), label);
    receive(group.rank(other), bytes.of(all, other), label);
  });
}

void MessageGroup::all_to_all(const RankGroup& group, ConstBytes out, const Parts& out_bytes, Bytes in,
                              const Parts& in_bytes, const MessageLabel& label) {
  expects(out_bytes.count() == group.size() && in_bytes.count() == group.size(), "all_to_all: a part for each member");
  for_others(group, [&](int other) {
    send(group.rank(other), out_bytes.of(out, other), label);
    receive(group.rank(other), in_bytes.of(in, other), label);
  });
}

void MessageGroup::broadcast(const RankGroup& group, int root, Bytes message, const MessageLabel& label) {
  expects(root >= 0 && root < group.size(), "broadcast: the root is a member");
  if (group.own() != root) return receive(group.rank(root), message, label);
  for_others(group, [&](int other) { send(group.rank(other), message, label); });
}

void MessageGroup::enqueue(Transport& transport, Stream& exchange) {
  if (!empty()) transport.exchange(exchange, sends_, receives_);
  sends_.clear();
  receives_.clear();
}

void enqueue_broadcast(Transport& transport, Stream& exchange, const RankGroup& group, int root, Bytes message,
                       const MessageLabel& label) {
  MessageGroup messages;
  if (group.size() <= 2 || message.size() < kLargeBroadcast) {
    messages.broadcast(group, root, message, label);
    return messages.enqueue(transport, exchange);
  }
  expects(root >= 0 && root < group.size(), "broadcast: the root is a member");
  // The root gives each of the others a part, and has none itself: what it would keep, the others lack.
  std::vector<std::int64_t> sizes;
  const Parts even = Parts::even(message.size(), group.size() - 1, 64);
  for (int member = 0, next = 0; member < group.size(); ++member) {
    sizes.push_back(member == root ? 0 : even.size(next++));
  }
  const Parts parts{sizes};
  if (group.own() == root) {
    for_others(group, [&](int other) { messages.send(group.rank(other), parts.of(message, other), label); });
  } else {
    messages.receive(group.rank(root), parts.of(message, group.own()), label);
  }
  messages.enqueue(transport, exchange);
  if (group.own() == root) return;
  std::vector<int> others;
  sizes.erase(sizes.begin() + root);
  for (int member = 0; member < group.size(); ++member) {
    if (member != root) others.push_back(group.rank(member));
  }
  messages.all_gather(RankGroup(std::move(others), transport.rank()), message, Parts(sizes), label);
  messages.enqueue(transport, exchange);
}

Round::Round(const DeviceContext& context, const std::string& what)
    : context_(context),
      ready_(context.device->create_event(what + " ready")),
      done_(context.device->create_event(what + " exchanged")) {}

void Round::start(MessageGroup& messages, const char* protects) {
  under_way_ = !messages.empty();
  if (!under_way_) return;
  context_.compute->record(*ready_);
  context_.exchange->wait(*ready_, protects);
  messages.enqueue(*context_.transport, *context_.exchange);
  context_.exchange->record(*done_);
}

void Round::finish(const char* received) {
  if (under_way_) context_.compute->wait(*done_, received);
}

// ---- sums --------------------------------------------------------------------------------------------

BlockSums::BlockSums(const Parts& blocks) {
  std::vector<std::int64_t> given;
  for (int member = 0; member < blocks.count(); ++member) {
    const std::vector<int> own = branches_of(static_cast<int>(blocks.total()), static_cast<int>(blocks.first(member)),
                                             static_cast<int>(blocks.first(member + 1)));
    given.push_back(static_cast<std::int64_t>(own.size()));
    branches_.insert(branches_.end(), own.begin(), own.end());
  }
  given_ = Parts(given);
  tree_ = sum_tree(branches_);
}

BlockSums BlockSums::one_each(int members) { return BlockSums(Parts::even(members, members, 1)); }

BlockSums BlockSums::of_every(const Parts& blocks) {
  BlockSums sums;
  sums.branches_.assign(static_cast<std::size_t>(blocks.total()), 1);
  sums.given_ = blocks;
  sums.tree_ = sum_tree(sums.branches_);
  return sums;
}

std::span<const int> BlockSums::branches(int member) const {
  return std::span(branches_).subspan(static_cast<std::size_t>(given_.first(member)),
                                      static_cast<std::size_t>(given_.size(member)));
}

Reduction::Reduction(const DeviceContext& context, const RankGroup& group, const BlockSums& sums, const Parts& values,
                     const MessageLabel& label, Mat memory)
    : context_(context),
      group_(group),
      sums_(sums),
      values_(values),
      label_(label),
      scattered_(context, "partial sums"),
      gathered_(context, "sums") {
  label_.type = WireType::float32;
  expects(values.count() == group.size() && sums.given().count() == group.size(), "a part for each member");
  for (int i = 0; i < values.count(); ++i) {
    expects(values.size(i) == 0 || values.first(i) % 4 == 0, "a part begins at a multiple of 4");
  }
  const std::int64_t parts = sums.given().total(), own = values.size(group.own());
  if (memory.data == nullptr) {
    memory_ = context.device->allocate(static_cast<std::size_t>(parts * own) * sizeof(float),
                                       std::string("partial sums of ") + label.what, MemoryKind::exchange);
    memory = memory_.mat(parts, own);
  }
  expects(memory.size() >= parts * own, "room for the partial sums");
  received_ = {memory.data, parts, own};
}

void Reduction::scatter(ConstMat partials, std::int64_t epoch) {
  label_.epoch = epoch;
  const int own = group_.own();
  expects(partials.rows == sums_.given().size(own) && partials.cols == values_.total(), "partial sums: shape");
  MessageGroup messages;
  for_others(group_, [&](int other) {
    for (std::int64_t i = 0; i < partials.rows; ++i) {
      const ConstMat row{partials.row(i), 1, partials.cols};
      messages.send(group_.rank(other), as_bytes(values_.of(row, other)), label_);
    }
    for (std::int64_t i = 0; i < sums_.given().size(other); ++i) {
      const Mat row{received_.row(sums_.given().first(other) + i), 1, received_.cols};
      messages.receive(group_.rank(other), as_bytes(row), label_);
    }
  });
  for (std::int64_t i = 0; i < partials.rows && received_.cols > 0; ++i) {
    const ConstMat row{partials.row(i), 1, partials.cols};
    const Mat kept{received_.row(sums_.given().first(own) + i), 1, received_.cols};
    context_.compute->enqueue(ops::Copy{as_bytes(values_.of(row, own)), as_bytes(kept)});
  }
  scattered_.start(messages, "the partial sums, and the parts received last time until they are added up");
}

void Reduction::sum(Mat out) {
  scattered_.finish("the partial sums of the others");
  if (received_.cols == 0) return;
  context_.compute->enqueue(
      ops::SumParts{received_, values_.of(Mat{out.data, 1, out.size()}, group_.own()), sums_.tree()});
}

void Reduction::gather(Mat out) {
  MessageGroup messages;
  messages.all_gather(group_, as_bytes(out), values_.times(sizeof(float)), label_);
  gathered_.start(messages, "this device's part of the sum, and the others' until they are there");
}

void Reduction::finish() { gathered_.finish("the sum"); }

template <class T>
SmallReduction<T>::SmallReduction(const DeviceContext& context, const RankGroup& group, const BlockSums& sums,
                                  std::int64_t values, const MessageLabel& label)
    : context_(context),
      group_(group),
      sums_(sums),
      label_(label),
      values_(values),
      padded_((values * static_cast<std::int64_t>(sizeof(T)) + 15) / 16 * 16 / static_cast<std::int64_t>(sizeof(T))),
      round_(context, label.what) {
  expects(sums.given().count() == group.size(), "a part for each member");
  const std::int64_t parts = sums.given().total();
  memory_ = context.device->allocate(static_cast<std::size_t>(parts * padded_) * sizeof(T),
                                     std::string("parts of ") + label.what, MemoryKind::exchange);
  all_ = memory_.view<T>(parts, padded_);
}

template <class T>
MatView<T> SmallReduction<T>::own() const {
  const Parts& given = sums_.given();
  return {all_.row(given.first(group_.own())), given.size(group_.own()), padded_};
}

template <class T>
void SmallReduction<T>::add_to(MessageGroup& messages, std::int64_t epoch) {
  label_.epoch = epoch;
  messages.all_gather(group_, as_bytes(all_), sums_.given().times(padded_ * static_cast<std::int64_t>(sizeof(T))),
                      label_);
}

template <class T>
void SmallReduction<T>::start(std::int64_t epoch) {
  MessageGroup messages;
  add_to(messages, epoch);
  round_.start(messages, "the values to be added up, and those of last time until they are");
}

template <class T>
void SmallReduction<T>::finish(MatView<T> out) {
  round_.finish("the values of the others");
  add_up(out);
}

template <class T>
void SmallReduction<T>::add_up(MatView<T> out) {
  expects(out.size() == values_, "as many sums as values");
  if constexpr (std::is_same_v<T, double>) {
    context_.compute->enqueue(ops::SumScalars{all_, out, sums_.tree()});
  } else {
    context_.compute->enqueue(ops::MaxParts{all_, out});
  }
}

template class SmallReduction<double>;
template class SmallReduction<float>;

}  // namespace gamlp
