#include "host/device/collectives.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include "host/core/error.hpp"

namespace gamlp {
namespace {

// From here on a broadcast goes in parts. Below, the second group's wait costs more than it saves.
constexpr std::int64_t kLargeBroadcast = std::int64_t{1} << 18;

// Calls what(other) for every other one of `size`, beginning behind `own`, so that not all send to the same.
template <class What>
void for_others(int own, int size, What what) {
  for (int step = 1; step < size; ++step) what((own + step) % size);
}
template <class What>
void for_others(const RankGroup& group, What what) {
  for_others(group.own(), group.size(), what);
}

// How many of the `hosts`, one after the other, are the same, if all are on several hosts with as many on each.
int members_per_host(const std::vector<int>& hosts) {
  const auto size = static_cast<std::ptrdiff_t>(hosts.size());
  const std::ptrdiff_t each = hosts.empty() ? 0 : std::count(hosts.begin(), hosts.end(), hosts.front());
  if (each < 2 || each == size || size % each != 0) return 0;
  std::set<int> seen;
  for (std::ptrdiff_t first = 0; first < size; first += each) {
    const int host = hosts[static_cast<std::size_t>(first)];
    const auto from = hosts.begin() + first;
    if (std::count(from, from + each, host) != each || !seen.insert(host).second) return 0;
  }
  return static_cast<int>(each);
}

}  // namespace

RankGroup::RankGroup(std::vector<int> ranks, int own, const std::vector<int>& hosts)
    : ranks_(std::move(ranks)), own_(-1), per_host_(members_per_host(hosts)) {
  expects(hosts.empty() || hosts.size() == ranks_.size(), "a host for each member");
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

template <class Enqueue>
void Round::run(const char* protects, Enqueue enqueue) {
  if (!under_way_) return;
  context_.compute->record(*ready_);
  context_.exchange->wait(*ready_, protects);
  enqueue();
  context_.exchange->record(*done_);
}

void Round::start(MessageGroup& messages, const char* protects) {
  under_way_ = !messages.empty();
  run(protects, [&] { messages.enqueue(*context_.transport, *context_.exchange); });
}

void Round::start_broadcast(const RankGroup& group, int root, Bytes message, const MessageLabel& label,
                            const char* protects) {
  under_way_ = group.size() > 1;
  run(protects, [&] { enqueue_broadcast(*context_.transport, *context_.exchange, group, root, message, label); });
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

BlockSums BlockSums::of_hosts(int each) const {
  const Parts own = blocks();
  std::vector<std::int64_t> sizes;
  for (int member = 0; member < own.count(); member += each) {
    sizes.push_back(own.first(member + each) - own.first(member));
  }
  return BlockSums(Parts(sizes));
}

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

Parts BlockSums::blocks() const {
  std::vector<std::int64_t> blocks;
  for (int member = 0; member < given_.count(); ++member) {
    blocks.push_back(0);
    for (const int size : branches(member)) blocks.back() += size;
  }
  return Parts(blocks);
}

std::vector<Reduction::Exchange> Reduction::exchanges_of(const RankGroup& group, const BlockSums& sums,
                                                         const Parts& values) {
  const int each = group.per_host(), own = group.own();
  const auto piece = [&](int member) { return Piece{values.first(member), values.size(member)}; };
  const auto given = [](const BlockSums& of, const std::vector<int>& members) {
    std::vector<std::int64_t> counts;
    for (const int member : members) counts.push_back(of.given().size(member));
    return Parts(counts);
  };
  Exchange all;
  if (each == 0) {
    for (int member = 0; member < group.size(); ++member) {
      all.members.push_back(member);
      all.pieces.push_back({piece(member)});
    }
    all.own = own, all.sums = all.pieces, all.given = sums.given(), all.cols = values.size(own);
    return {all};
  }
  const int hosts = group.size() / each, host = own / each, place = own % each;
  Exchange near, far;
  near.own = place, far.own = host;
  for (int i = 0; i < each; ++i) {
    near.members.push_back(host * each + i);
    std::vector<Piece>& pieces = near.pieces.emplace_back();
    for (int h = 0; h < hosts; ++h) pieces.push_back(piece(h * each + i));
  }
  near.given = given(sums, near.members);
  near.sums = near.pieces;
  for (const Piece& one : near.pieces[static_cast<std::size_t>(place)]) {
    far.pieces.push_back({{near.cols, one.size}});  // the host's sums lie one after the other
    near.cols += one.size;
  }
  const BlockSums host_sums = sums.of_hosts(each);
  far.given = host_sums.given();
  for (int h = 0; h < hosts; ++h) {
    far.members.push_back(h * each + place);
    far.sums.push_back({piece(h * each + place)});
  }
  far.cols = values.size(own);
  return {near, far};
}

std::int64_t Reduction::memory_floats(const RankGroup& group, const BlockSums& sums, const Parts& values) {
  return memory_floats(exchanges_of(group, sums, values));
}

std::int64_t Reduction::memory_floats(const std::vector<Exchange>& exchanges) {
  std::int64_t floats = 0;
  for (const Exchange& one : exchanges) floats += padded_floats(one.given.total() * one.cols);
  const Exchange& last = exchanges.back();
  if (exchanges.size() > 1) floats += padded_floats(last.given.size(last.own) * exchanges.front().cols);
  return floats;
}

Reduction::Reduction(const DeviceContext& context, const RankGroup& group, const BlockSums& sums, const Parts& values,
                     const MessageLabel& label, Mat memory)
    : context_(context),
      group_(group),
      values_(values),
      label_(label),
      scattered_(context, "partial sums"),
      gathered_(context, "sums") {
  label_.type = WireType::float32;
  expects(values.count() == group.size() && sums.given().count() == group.size(), "a part for each member");
  for (int i = 0; i < values.count(); ++i) {
    expects(values.size(i) == 0 || values.first(i) % 4 == 0, "a part begins at a multiple of 4");
  }
  exchanges_ = exchanges_of(group, sums, values);
  const std::int64_t floats = memory_floats(exchanges_);
  if (memory.data == nullptr) {
    memory_ = context.device->allocate(static_cast<std::size_t>(floats) * sizeof(float),
                                       std::string("partial sums of ") + label.what, MemoryKind::exchange);
    memory = memory_.mat(1, floats);
  }
  expects(memory.size() >= floats, "room for the partial sums");
  float* next = memory.data;
  const auto take = [&](std::int64_t rows, std::int64_t cols) {
    const Mat taken{next, rows, cols};
    next += padded_floats(rows * cols);
    return taken;
  };
  received_ = take(last().given.total(), last().cols);
  tree_ = sums.tree();
  if (!over_hosts()) return;
  host_scattered_.emplace(context, "partial sums within the host");
  host_gathered_.emplace(context, "sums within the host");
  const Exchange& near = exchanges_.front();
  of_host_ = take(near.given.total(), near.cols);
  host_sums_ = take(last().given.size(last().own), near.cols);
  const BlockSums host_sums = sums.of_hosts(group.per_host());
  tree_ = host_sums.tree();
  if (near.cols == 0) return;
  // Each of the host's sums is a branch that consecutive partial sums of its members make up.
  std::vector<int> sizes;
  for (const int member : near.members) {
    const auto branches = sums.branches(member);
    sizes.insert(sizes.end(), branches.begin(), branches.end());
  }
  std::int64_t first = 0, row = 0;
  for (const int blocks : host_sums.branches(last().own)) {
    std::int64_t end = first;
    for (int found = 0; found < blocks; ++end) found += sizes[static_cast<std::size_t>(end)];
    const std::span<const int> of_branch(sizes.data() + first, static_cast<std::size_t>(end - first));
    within_host_.push_back({ConstMat{of_host_.row(first), end - first, near.cols},
                            Mat{host_sums_.row(row), 1, near.cols}, sum_tree(of_branch)});
    first = end, ++row;
  }
}

// Sends `rows`, of which each other member gets its pieces, and keeps the own ones.
void Reduction::scatter(const Exchange& with, ConstMat rows, Mat received, Round& round) {
  MessageGroup messages;
  const auto own = static_cast<std::size_t>(with.own);
  const auto row_of = [&](std::size_t member, std::int64_t i) {
    return received.row(with.given.first(static_cast<int>(member)) + i);
  };
  const auto part = [](auto* row, std::int64_t first, std::int64_t size) {
    return as_bytes(MatView<std::remove_pointer_t<decltype(row)>>{row + first, 1, size});
  };
  for_others(with.own, static_cast<int>(with.members.size()), [&](int other) {
    const auto at = static_cast<std::size_t>(other);
    const int rank = group_.rank(with.members[at]);
    for (std::int64_t i = 0; i < rows.rows; ++i) {
      for (const Piece& piece : with.pieces[at]) {
        messages.send(rank, part(rows.row(i), piece.first, piece.size), label_);
      }
    }
    for (std::int64_t i = 0; i < with.given.size(other); ++i) {
      std::int64_t next = 0;
      for (const Piece& piece : with.pieces[own]) {
        messages.receive(rank, part(row_of(at, i), next, piece.size), label_);
        next += piece.size;
      }
    }
  });
  for (std::int64_t i = 0; i < rows.rows; ++i) {
    std::int64_t next = 0;
    for (const Piece& piece : with.pieces[own]) {
      if (piece.size > 0) {
        context_.compute->enqueue(
            ops::Copy{part(rows.row(i), piece.first, piece.size), part(row_of(own, i), next, piece.size)});
      }
      next += piece.size;
    }
  }
  round.start(messages, "the partial sums, and the parts received last time until they are added up");
}

void Reduction::scatter(ConstMat partials, std::int64_t epoch) {
  label_.epoch = epoch;
  const Exchange& near = exchanges_.front();
  expects(partials.rows == near.given.size(near.own) && partials.cols == values_.total(), "partial sums: shape");
  if (!over_hosts()) return scatter(near, partials, received_, scattered_);
  scatter(near, partials, of_host_, *host_scattered_);
  host_scattered_->finish("the partial sums of the others on this host");
  for (const ops::SumParts& op : within_host_) context_.compute->enqueue(op);
  scatter(last(), host_sums_, received_, scattered_);
}

void Reduction::sum(Mat out) {
  scattered_.finish("the partial sums of the others");
  if (received_.cols == 0) return;
  context_.compute->enqueue(ops::SumParts{received_, values_.of(Mat{out.data, 1, out.size()}, group_.own()), tree_});
}

// Sends the sums that this member has to the others, and takes theirs.
void Reduction::gather(const Exchange& with, Mat out, Round& round) {
  MessageGroup messages;
  const auto part = [&](const Piece& piece) { return as_bytes(Mat{out.data + piece.first, 1, piece.size}); };
  for_others(with.own, static_cast<int>(with.members.size()), [&](int other) {
    const auto at = static_cast<std::size_t>(other);
    const int rank = group_.rank(with.members[at]);
    for (const Piece& piece : with.sums[static_cast<std::size_t>(with.own)]) messages.send(rank, part(piece), label_);
    for (const Piece& piece : with.sums[at]) messages.receive(rank, part(piece), label_);
  });
  round.start(messages, "this device's part of the sum, and the others' until they are there");
}

void Reduction::gather(Mat out) {
  expects(out.size() == values_.total(), "a sum for each value");
  out_ = out;
  gather(last(), out, gathered_);
}

void Reduction::finish() {
  gathered_.finish("the sum");
  if (!over_hosts()) return;
  gather(exchanges_.front(), out_, *host_gathered_);
  host_gathered_->finish("the sum's parts on this host");
}

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
