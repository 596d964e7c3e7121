#include "host/methods/common/node_blocks.hpp"

#include <algorithm>

namespace gamlp {

NodeBlocks::NodeBlocks(const Parts& nodes, const Parts& blocks, int own) : shares_(blocks) {
  const int first = static_cast<int>(blocks.first(own)), end = static_cast<int>(blocks.first(own + 1));
  for (int block = first; block < end; ++block) {
    rows_.push_back({nodes.first(block) - nodes.first(first), nodes.size(block)});
  }
  tree_ = branch_tree(nodes.count(), first, end);
  int sums = 0;
  for (int block = 0; block < count(); ++block) {
    partial_sums_ = std::max(partial_sums_, ++sums);
    sums -= tree_.merges[static_cast<std::size_t>(block)];
  }
}

NodeSums::NodeSums(const DeviceContext& context, const RankGroup& group, const NodeBlocks& blocks, MatView<double> out,
                   const MessageLabel& label)
    : out_(out) {
  if (blocks.whole()) return;
  reduction_ =
      std::make_unique<SmallReduction<double>>(context, group, BlockSums::of_every(blocks.shares()), out.size(), label);
}

MatView<double> NodeSums::of(int block) const {
  return reduction_ ? MatView<double>{reduction_->own().row(block), 1, out_.size()} : out_;
}

void NodeSums::start(std::int64_t epoch) {
  if (reduction_) reduction_->start(epoch);
}

void NodeSums::finish() {
  if (reduction_) reduction_->finish(out_);
}

void NodeSums::add_to(MessageGroup& messages, std::int64_t epoch) {
  if (reduction_) reduction_->add_to(messages, epoch);
}

void NodeSums::add_up() {
  if (reduction_) reduction_->add_up(out_);
}

}  // namespace gamlp
