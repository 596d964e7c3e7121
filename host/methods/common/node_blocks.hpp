// The blocks of training nodes (StageSpec::blocks) that one device owns, and sums over all of them.
//
// A sum over training nodes is made of one sum for each block, in a fixed order (host/core/sum_tree.hpp). Rows of
// products are computed block by block too. So no result depends on which device owns which blocks.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "host/core/parts.hpp"
#include "host/device/collectives.hpp"

namespace gamlp {

// How many of `nodes` each of `blocks` blocks has.
inline Parts block_nodes(std::int64_t nodes, int blocks) { return Parts::even(nodes, blocks, 4); }

// Some rows of tensors that have one for each node.
struct Rows {
  std::int64_t first = 0, count = 0;

  template <class T>
  MatView<T> of(const MatView<T>& m) const {
    return m.data == nullptr ? m : MatView<T>{m.row(first), count, m.cols};
  }
  // The same nodes of a row vector.
  Labels of_labels(const Labels& all) const { return {all.data + first, 1, count}; }
};

class NodeBlocks {
 public:
  // `nodes` of each block; `blocks` of each member of the group of devices that share them; `own`: the member.
  NodeBlocks(const Parts& nodes, const Parts& blocks, int own);

  int count() const { return static_cast<int>(rows_.size()); }
  const std::vector<Rows>& rows() const { return rows_; }  // counted from the first node here
  const Rows& operator[](int block) const { return rows_[static_cast<std::size_t>(block)]; }
  const Parts& shares() const { return shares_; }  // blocks of each member
  // Whether one block has all nodes.
  bool whole() const { return shares_.total() == 1; }

  // How many rows of memory sum() needs.
  int partial_sums() const { return partial_sums_; }
  // Adds up what compute(rows, sum) makes of each block, where `sum` is a row of `memory`. Returns the sums, one for
  // each branch of the tree that the blocks make up. They are the first rows of `memory`.
  template <class Compute>
  Mat sum(Stream& stream, Mat memory, Compute compute) const {
    int sums = 0;
    for (int block = 0; block < count(); ++block) add(stream, memory, block, sums, compute);
    return {memory.data, sums, memory.cols};
  }
  // The same, one block after the other, from block 0 on. `sums` is how many sums there are: 0 before the first block.
  template <class Compute>
  void add(Stream& stream, Mat memory, int block, int& sums, Compute compute) const {
    const auto row = [&](int i) { return Mat{memory.row(i), 1, memory.cols}; };
    compute((*this)[block], row(sums++));
    for (int merges = tree_.merges[static_cast<std::size_t>(block)]; merges > 0; --merges) {
      --sums;
      stream.enqueue(ops::Accumulate{row(sums), row(sums - 1)});
    }
  }

 private:
  std::vector<Rows> rows_;
  Parts shares_;
  SumTree tree_;
  int partial_sums_ = 0;
};

// Sums over all nodes of a few values, in double. Each block gives its own. Where one block has all nodes, there is
// nothing to add up.
class NodeSums {
 public:
  // `out`: where the sums are to be, 1 × values.
  NodeSums(const DeviceContext& context, const RankGroup& group, const NodeBlocks& blocks, MatView<double> out,
           const MessageLabel& label);

  // Where a block of this device puts its values.
  MatView<double> of(int block) const;
  // Exchanges them, when the compute stream comes here. finish() adds them up.
  void start(std::int64_t epoch);
  void finish();
  // The same with other messages, which the caller exchanges before add_up().
  void add_to(MessageGroup& messages, std::int64_t epoch);
  void add_up();

 private:
  MatView<double> out_;
  std::unique_ptr<SmallReduction<double>> reduction_;  // null: one block has all nodes
};

}  // namespace gamlp
