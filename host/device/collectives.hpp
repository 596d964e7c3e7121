// Collectives: what a group of ranks exchange together. They are made of messages (transport.hpp) and, where they add
// up, of ops. So they work on every transport, in the same order, and give the same bits.
//
//   all-gather      MessageGroup::all_gather       every member gets the parts of all
//   all-to-all      MessageGroup::all_to_all       member i gets the i-th part of each
//   broadcast       MessageGroup::broadcast        every member gets what one has; enqueue_broadcast() for large ones
//   reduce-scatter  Reduction, until sum()         member i gets the i-th part of the sum
//   all-reduce      Reduction, until finish()      every member gets the sum
//   all-reduce      SmallReduction                 the same in one round: less waiting, but more bytes
//
// All members of a group make the same calls in the same order, with the same sizes. A part of no bytes is no message.
// Nothing here waits on the host. A Reduction over several hosts adds up within each host first: so a host with G
// members sends 1/G of the bytes.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "host/core/parts.hpp"
#include "host/device/device.hpp"
#include "host/device/ops.hpp"
#include "host/device/transport.hpp"

namespace gamlp {

// Some ranks of a transport, in an order that all its members name alike. Members are counted from 0.
class RankGroup {
 public:
  // `own` is the rank of this device, and one of `ranks`, which are all different. `hosts`: of each member; empty: all
  // are on one.
  RankGroup(std::vector<int> ranks, int own, const std::vector<int>& hosts = {});
  // All ranks of the transport.
  static RankGroup all(const Transport& transport);

  int size() const { return static_cast<int>(ranks_.size()); }
  int own() const { return own_; }  // the member that this device is
  int rank(int member) const { return ranks_[static_cast<std::size_t>(member)]; }
  // How many members each host has, where they are on several, one host after the other, with as many on each: more
  // than one. Else 0.
  int per_host() const { return per_host_; }

 private:
  std::vector<int> ranks_;
  int own_;
  int per_host_ = 0;
};

// The messages of one group call (Transport::exchange), gathered from neighbours' messages and from collectives.
class MessageGroup {
 public:
  void send(int rank, ConstBytes message, const MessageLabel& label);
  void receive(int rank, Bytes message, const MessageLabel& label);

  // Member i has part i of `all`. Then every member has all parts.
  void all_gather(const RankGroup& group, Bytes all, const Parts& bytes, const MessageLabel& label);
  // Member i gets part i of `out` of each member k, as part k of its `in`. Its own part is no message: it stays in
  // `out`, and that part of `in` as it was.
  void all_to_all(const RankGroup& group, ConstBytes out, const Parts& out_bytes, Bytes in, const Parts& in_bytes,
                  const MessageLabel& label);
  // Every member gets the `message` of member `root`.
  void broadcast(const RankGroup& group, int root, Bytes message, const MessageLabel& label);

  bool empty() const { return sends_.empty() && receives_.empty(); }
  // Enqueues the messages as one group, where there are any, and forgets them.
  void enqueue(Transport& transport, Stream& exchange);

 private:
  std::vector<Send> sends_;
  std::vector<Receive> receives_;
};

// Enqueues a broadcast. A large one to several members goes in two groups, in parts: its root then sends each byte to
// one member instead of all, and the members pass the parts on.
void enqueue_broadcast(Transport& transport, Stream& exchange, const RankGroup& group, int root, Bytes message,
                       const MessageLabel& label);

// Orders messages between the streams of a device. The messages go when the compute stream has passed start(). It goes
// on from finish() when they are complete. One object serves any number of turns, one after the other.
class Round {
 public:
  Round(const DeviceContext& context, const std::string& what);
  // `protects` and `received` name memory, as in Stream::wait().
  void start(MessageGroup& messages, const char* protects);
  // The same for enqueue_broadcast().
  void start_broadcast(const RankGroup& group, int root, Bytes message, const MessageLabel& label,
                       const char* protects);
  void finish(const char* received);

 private:
  template <class Enqueue>
  void run(const char* protects, Enqueue enqueue);

  DeviceContext context_;
  std::unique_ptr<Event> ready_, done_;
  bool under_way_ = false;  // there was something to exchange
};

// Which blocks of training nodes (host/core/sum_tree.hpp) the members of a group own: `blocks` has a part for each
// member. Of its blocks a member gives one partial sum for each branch of the tree that they make up.
class BlockSums {
 public:
  explicit BlockSums(const Parts& blocks);
  // One block for each member.
  static BlockSums one_each(int members);

  // Each member gives the sum of every single block.
  static BlockSums of_every(const Parts& blocks);
  // Every `each` members as one.
  BlockSums of_hosts(int each) const;

  // How many partial sums each member gives.
  const Parts& given() const { return given_; }
  // How many blocks each member has.
  Parts blocks() const;
  // How many blocks each partial sum of a member is over, in order.
  std::span<const int> branches(int member) const;
  const SumTree& tree() const { return tree_; }

 private:
  BlockSums() = default;

  std::vector<int> branches_;
  Parts given_;
  SumTree tree_;
};

// The sum of a tensor of float32 that every member has partial sums of. In two rounds: each member adds up a part of
// the tensor, then gives it to the others. Sends 4 (members − 1)/members bytes per value and round, where each member
// gives one partial sum.
//
// Over several hosts (RankGroup::per_host()) each member has a place: its number within its host. The members of a host
// first give each other partial sums, and the one at place i adds up the parts of all members at place i. Then members
// of the same place exchange these sums between the hosts, and in the end members of a host give each other the sums.
// The bits are the same. scatter() waits for the messages within the host, which are behind those of the reduction
// before on the exchange stream: so the network hides behind the work for one tensor.
class Reduction {
 public:
  // `values`: which part of the tensor each member adds up. A part begins at a multiple of 4 values. `label` names the
  // tensor, its epoch is that of scatter(). `memory`, memory_floats() of it, takes the partial sums of the others.
  // Several reductions may take turns in it, each from scatter() to sum(). One whose part here is empty needs none of
  // it, unless, over several hosts, the part of a member at the same place is not. Where it is empty, this object
  // allocates its own.
  Reduction(const DeviceContext& context, const RankGroup& group, const BlockSums& sums, const Parts& values,
            const MessageLabel& label, Mat memory = {});
  static std::int64_t memory_floats(const RankGroup& group, const BlockSums& sums, const Parts& values);

  // Parts for a tensor that all members are to add up, as evenly as can be.
  static Parts even_parts(std::int64_t values, const RankGroup& group) { return Parts::even(values, group.size(), 64); }

  // Sends this member's partial sums, one per row, when the compute stream comes here. They must not change before
  // sum().
  void scatter(ConstMat partials, std::int64_t epoch);
  // Own part of `out`, which has as many values as the tensor ← the sum. The compute stream waits for the partial sums.
  void sum(Mat out);
  // Sends the own part of `out`, and fills in the others. Nobody touches it before finish(), after which it is whole.
  void gather(Mat out);
  void finish();

 private:
  // Values in a row of partial sums, or of the sum.
  struct Piece {
    std::int64_t first = 0, size = 0;
  };
  // Members that send each other partial sums, in the order of their blocks.
  struct Exchange {
    std::vector<int> members;
    int own = 0;                             // number in `members`
    std::vector<std::vector<Piece>> pieces;  // by member: what it adds up, in the rows that others send it from
    std::vector<std::vector<Piece>> sums;    // by member: the values of the tensor that it can give the sums of
    Parts given;                             // how many partial sums each of them gives
    std::int64_t cols = 0;                   // how many values this one adds up
  };
  // One with all members; or one within the host, then one between the hosts.
  static std::vector<Exchange> exchanges_of(const RankGroup& group, const BlockSums& sums, const Parts& values);

  static std::int64_t memory_floats(const std::vector<Exchange>& exchanges);

  void scatter(const Exchange& with, ConstMat rows, Mat received, Round& round);
  void gather(const Exchange& with, Mat out, Round& round);
  const Exchange& last() const { return exchanges_.back(); }
  bool over_hosts() const { return exchanges_.size() > 1; }

  DeviceContext context_;
  RankGroup group_;
  Parts values_;
  MessageLabel label_;
  std::vector<Exchange> exchanges_;
  Buffer memory_;
  Mat of_host_, host_sums_;                 // the partial sums of the members of this host, and what they add up to
  std::vector<ops::SumParts> within_host_;  // that add them up
  Mat received_;                            // the own part of the tensor, of every partial sum, or of every host's
  SumTree tree_;                            // of received_
  Mat out_;                                 // from gather() to finish()
  Round scattered_, gathered_;
  std::optional<Round> host_scattered_, host_gathered_;  // within the host
};

// The sums in double, or the largest values in float32, of a few values that every member has: in one round, in which
// every member gets what all have.
template <class T>
class SmallReduction {
 public:
  static_assert(std::is_same_v<T, double> || std::is_same_v<T, float>);

  SmallReduction(const DeviceContext& context, const RankGroup& group, const BlockSums& sums, std::int64_t values,
                 const MessageLabel& label);

  // Where this member puts its partial sums, one per row, before start(). Rows are padded to 16 bytes.
  MatView<T> own() const;
  void start(std::int64_t epoch);
  // out ← the sums (float: the largest values). The compute stream waits for the values of the others.
  void finish(MatView<T> out);

  // The same with other messages: the caller exchanges `messages` (Round), and waits for them before add_up().
  void add_to(MessageGroup& messages, std::int64_t epoch);
  void add_up(MatView<T> out);

 private:
  DeviceContext context_;
  RankGroup group_;
  BlockSums sums_;
  MessageLabel label_;
  std::int64_t values_, padded_;
  Buffer memory_;
  MatView<T> all_;
  Round round_;
};

extern template class SmallReduction<double>;
extern template class SmallReduction<float>;

}  // namespace gamlp
