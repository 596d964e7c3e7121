#include "host/methods/backprop/top_k_exchange.hpp"

#include <algorithm>
#include <cmath>

namespace gamlp {
namespace {

using Blocks = ops::ChosenBlocks;

// A tensor's share of the values, in blocks of its own; of each block at least one.
std::vector<std::int32_t> table_of(const LayerRow& row, const TopKConfig& config) {
  std::vector<std::int32_t> table;
  std::int64_t before = 0;
  for (const RowTensor& block : row_blocks(row.tensors(), config.block)) {
    const std::int64_t chosen =
        std::clamp<std::int64_t>(std::llround(config.share * static_cast<double>(block.values)), 1, block.values);
    for (const std::int64_t entry : {block.first, block.padded, block.values, chosen, before}) {
      table.push_back(static_cast<std::int32_t>(entry));
    }
    before += chosen;
  }
  return table;
}

Blocks blocks_of(const std::vector<std::int32_t>& table, const TopKConfig& config) {
  const std::size_t last = table.size() - Blocks::kColumns;
  return {{}, config.block, table[last + 3] + table[last + 4]};
}

}  // namespace

std::int64_t TopKExchange::bytes_sent(const LayerRow& row, const TopKConfig& config, int workers) {
  return (workers - 1) * blocks_of(table_of(row, config), config).bytes();
}

TopKExchange::TopKExchange(const DeviceContext& context, const RankGroup& group, const LayerRow& row,
                           const TopKConfig& config)
    : context_(context),
      group_(group),
      table_host_(table_of(row, config)),
      blocks_(blocks_of(table_host_, config)),
      round_(context, "largest gradients") {
  const auto allocate = [&](std::size_t bytes, const char* what, MemoryKind kind) {
    return context_.device->allocate(bytes, what, kind);
  };
  const auto rows = static_cast<std::int64_t>(table_host_.size()) / Blocks::kColumns;
  table_memory_ = allocate(table_host_.size() * sizeof(std::int32_t), "blocks of gradients", MemoryKind::data);
  blocks_.table = table_memory_.view<std::int32_t>(rows, Blocks::kColumns);
  messages_memory_ = allocate(static_cast<std::size_t>(group_.size() * blocks_.bytes()), "largest gradients of workers",
                              MemoryKind::exchange);
  messages_ = messages_memory_.view<std::byte>(group_.size(), blocks_.bytes());
  if (!config.error_feedback) return;
  error_memory_ =
      allocate(static_cast<std::size_t>(row.size()) * sizeof(float), "errors of this worker", MemoryKind::weights);
  error_ = error_memory_.mat(1, row.size());
}

void TopKExchange::enqueue_constants() {
  context_.compute->enqueue(
      ops::Upload{reinterpret_cast<const std::byte*>(table_host_.data()), table_memory_.raw(table_memory_.bytes())});
}

void TopKExchange::enqueue_reset() {
  if (!error_.empty()) context_.compute->enqueue(ops::Zero{as_bytes(error_)});
}

void TopKExchange::enqueue(Mat gradient, std::int64_t epoch) {
  const Parts parts(std::vector<std::int64_t>(static_cast<std::size_t>(group_.size()), blocks_.bytes()));
  const Bytes all{messages_.data, 1, messages_.size()};
  context_.compute->enqueue(ops::ChooseLargest{gradient, error_, blocks_, parts.of(all, group_.own())});
  MessageGroup messages;
  messages.all_gather(group_, all, parts, {"largest gradients", 0, epoch});
  round_.start(messages, "largest gradients, which every worker gets");
  round_.finish("largest gradients of the others");
  context_.compute->enqueue(ops::SumChosen{messages_, gradient, blocks_});
}

}  // namespace gamlp
