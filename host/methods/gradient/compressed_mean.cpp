#include "host/methods/gradient/compressed_mean.hpp"

namespace gamlp {
namespace {

CompressLayout layout_of(const LayerRow& row, const CompressedMean::Coding& coding, int workers) {
  return {row.tensors(), coding.block, coding.bits, workers};
}

}  // namespace

std::vector<std::int64_t> CompressedMean::bytes_sent(const LayerRow& row, const Coding& coding, int workers) {
  const CompressLayout layout = layout_of(row, coding, workers);
  std::vector<std::int64_t> bytes;
  for (int worker = 0; worker < workers; ++worker) bytes.push_back(layout.bytes_sent(worker));
  return bytes;
}

CompressedMean::CompressedMean(const DeviceContext& context, const RankGroup& group, const LayerRow& row,
                               const Coding& coding)
    : context_(context),
      group_(group),
      layout_(layout_of(row, coding, group.size())),
      gathered_(context, "compressed rows of workers"),
      spread_(context, "compressed means") {
  const auto allocate = [&](std::int64_t count, const char* what, MemoryKind kind) {
    return context_.device->allocate(static_cast<std::size_t>(count), what, kind);
  };
  const std::int64_t total = layout_.bytes().total(), own = layout_.bytes().size(group_.own());
  table_memory_ = allocate(static_cast<std::int64_t>(layout_.table().size() * sizeof(std::int32_t)),
                           "blocks of compressed rows", MemoryKind::data);
  table_ = table_memory_.view<std::int32_t>(layout_.blocks(), ops::CompressBlocks::kColumns);
  out_memory_ = allocate(total, "compressed row of this worker", MemoryKind::exchange);
  in_memory_ = allocate(group_.size() * own, "compressed rows of workers", MemoryKind::exchange);
  all_memory_ = allocate(total, "compressed means", MemoryKind::exchange);
  out_ = out_memory_.raw(out_memory_.bytes());
  in_ = in_memory_.view<std::byte>(group_.size(), own);
  all_ = all_memory_.raw(all_memory_.bytes());
  if (!coding.error_feedback) return;
  const std::int64_t served = layout_.values().size(group_.own());
  error_memory_ = allocate(row.size() * 4, "errors of this worker", MemoryKind::weights);
  mean_error_memory_ = allocate(served * 4, "errors of the mean", MemoryKind::weights);
  error_ = error_memory_.mat(1, row.size());
  mean_error_ = mean_error_memory_.mat(1, served);
}

void CompressedMean::enqueue_table() {
  enqueue(ops::Upload{reinterpret_cast<const std::byte*>(layout_.table().data()),
                      table_memory_.raw(table_memory_.bytes())});
}

void CompressedMean::enqueue_reset() {
  for (const Mat& error : {error_, mean_error_}) {
    if (!error.empty()) enqueue(ops::Zero{as_bytes(error)});
  }
}

void CompressedMean::enqueue(ConstMat momentum, float keep, ConstMat gradient, float take, std::int64_t epoch) {
  const int own = group_.own();
  const Parts& parts = layout_.bytes();
  enqueue(ops::CompressMomentum{momentum, gradient, error_, layout_.all(table_), out_, keep, take});
  MessageGroup messages;
  messages.all_to_all(group_, out_, parts, {in_.data, 1, in_.size()},
                      Parts(std::vector<std::int64_t>(static_cast<std::size_t>(group_.size()), in_.cols)),
                      {"rows of workers", 0, epoch});
  gathered_.start(messages, "compressed rows that the workers send each other");
  gathered_.finish("compressed rows of the workers");
  enqueue(
      ops::CompressMean{parts.of(out_, own), in_, mean_error_, layout_.part(table_, own), parts.of(all_, own), own});
  messages.all_gather(group_, all_, parts, {"means", 0, epoch});
  spread_.start(messages, "the compressed mean, which every worker gets");
  spread_.finish("the compressed means of the others");
}

}  // namespace gamlp
