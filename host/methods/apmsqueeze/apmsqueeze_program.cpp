#include "host/methods/apmsqueeze/apmsqueeze_program.hpp"

#include <algorithm>
#include <cstring>

namespace gamlp {
namespace {

constexpr RowOptions kRows{ops::CompressBlocks::kUnit, true};

std::string warmup_name(int layer) { return "warmup" + std::to_string(layer); }

CompressLayout layout_of(const LayerRow& row, const SqueezeConfig& squeeze, int workers) {
  return {row.tensors(), squeeze.block, static_cast<int>(squeeze.bits), workers};
}

}  // namespace

std::vector<std::int64_t> ApmProgram::bytes_sent(const std::vector<std::int64_t>& widths, const LayerRange& range,
                                                 const SqueezeConfig& squeeze, int workers) {
  const CompressLayout layout = layout_of(LayerRow(widths, range, kRows.unit), squeeze, workers);
  std::vector<std::int64_t> bytes;
  for (int worker = 0; worker < workers; ++worker) bytes.push_back(layout.bytes_sent(worker));
  return bytes;
}

ApmProgram::ApmProgram(const DeviceContext& context, const StageSpec& spec, int rank, DeviceInput* input,
                       const OptimizerRule& rule, const ApmConfig& config, std::int64_t warmup)
    : GradientProgram(context, spec, rank, input, rule, config, kRows),
      squeeze_(config.squeeze),
      warmup_(warmup),
      saved_warmup_(static_cast<std::int32_t>(warmup)),
      layout_(layout_of(row(), squeeze_, group_.size())),
      gathered_(context, "compressed momentum of workers"),
      spread_(context, "compressed momentum") {
  Device& device = *context_.device;
  const auto bytes = [&](std::int64_t count, const char* what, MemoryKind kind) {
    return device.allocate(static_cast<std::size_t>(count), what, kind);
  };
  const std::int64_t total = layout_.bytes().total(), own = layout_.bytes().size(group_.own());
  table_memory_ = bytes(static_cast<std::int64_t>(layout_.table().size() * sizeof(std::int32_t)),
                        "blocks of compressed momentum", MemoryKind::data);
  table_ = table_memory_.view<std::int32_t>(layout_.blocks(), ops::CompressBlocks::kColumns);
  out_memory_ = bytes(total, "compressed momentum of this worker", MemoryKind::exchange);
  in_memory_ = bytes(group_.size() * own, "compressed momentum of workers", MemoryKind::exchange);
  all_memory_ = bytes(total, "compressed momentum", MemoryKind::exchange);
  out_ = out_memory_.raw(out_memory_.bytes());
  in_ = in_memory_.view<std::byte>(group_.size(), own);
  all_ = all_memory_.raw(all_memory_.bytes());
  warmup_memory_ = bytes(sizeof saved_warmup_, "warm-up", MemoryKind::data);
  root_memory_ = bytes(sizeof(double), "mean root", MemoryKind::workspace);
  if (!squeeze_.error_feedback) return;
  const std::int64_t served = layout_.values().size(group_.own());
  error_memory_ = bytes(row().size() * 4, "errors of this worker", MemoryKind::weights);
  mean_error_memory_ = bytes(served * 4, "errors of the mean", MemoryKind::weights);
  error_ = error_memory_.mat(1, row().size());
  mean_error_ = mean_error_memory_.mat(1, served);
}

void ApmProgram::enqueue_start() {
  GradientProgram::enqueue_start();
  upload_constants();
  for (const Mat& error : {error_, mean_error_}) {
    if (!error.empty()) enqueue(ops::Zero{as_bytes(error)});
  }
}

void ApmProgram::restored(const TrainingState& state) {
  GradientProgram::restored(state);
  std::memcpy(&saved_warmup_, state.at(warmup_name(range_.first)).row(0), sizeof saved_warmup_);
  warmup_ = saved_warmup_;
  upload_constants();
}

void ApmProgram::upload_constants() {
  enqueue(ops::Upload{reinterpret_cast<const std::byte*>(layout_.table().data()),
                      table_memory_.raw(table_memory_.bytes())});
  enqueue(ops::Upload{reinterpret_cast<const std::byte*>(&saved_warmup_), warmup_memory_.raw(sizeof saved_warmup_)});
}

void ApmProgram::floor_squares(std::int64_t epoch) {
  context_.compute->label({"floor", 0, epoch});
  for (const RowTensor& tensor : row().tensors()) {
    enqueue(ops::FloorSquare{
        {kept(1).data + tensor.first, 1, tensor.values}, root_memory_.view<double>(1, 1), squeeze_.floor});
  }
}

void ApmProgram::update(std::int64_t epoch) {
  if (epoch < warmup_) return GradientProgram::update(epoch);
  if (epoch == warmup_ && squeeze_.floor > 0.0) floor_squares(epoch);
  const int own = group_.own();
  const Parts& parts = layout_.bytes();
  const Mat gradient = own_gradient(epoch);
  const Mat momentum = kept(0);
  const double beta1 = rule().beta1;
  context_.compute->label({"momentum", 0, epoch});
  // The gradients are divided by the number of all nodes: their sum over the workers is the gradient.
  enqueue(ops::CompressMomentum{momentum, gradient, error_, layout_.all(table_), out_, static_cast<float>(beta1),
                                static_cast<float>((1.0 - beta1) * group_.size())});
  MessageGroup messages;
  messages.all_to_all(group_, out_, parts, {in_.data, 1, in_.size()},
                      Parts(std::vector<std::int64_t>(static_cast<std::size_t>(group_.size()), in_.cols)),
                      {"momentum of workers", 0, epoch});
  gathered_.start(messages, "compressed momentum that the workers send each other");
  gathered_.finish("compressed momentum of the workers");
  enqueue(
      ops::CompressMean{parts.of(out_, own), in_, mean_error_, layout_.part(table_, own), parts.of(all_, own), own});
  messages.all_gather(group_, all_, parts, {"momentum", 0, epoch});
  spread_.start(messages, "the compressed mean, which every worker gets");
  spread_.finish("the compressed means of the others");
  const MomentumRule step{rule().learning_rate,
                          beta1,
                          rule().beta2,
                          rule().eps,
                          rule().weight_decay,
                          squeeze_.clip,
                          static_cast<std::uint32_t>(std::max<std::int64_t>(warmup_, 1))};
  enqueue(ops::MomentumUpdate{all_, momentum, weights(), kept(1), layout_.all(table_), step, iteration(), rates()});
}

// Of the errors of workers each has a row of its own. Those of the mean lie with whoever serves them.
std::vector<StageProgram::Entry> ApmProgram::entries() const {
  std::vector<Entry> list = GradientProgram::entries();
  for (int layer = range_.first; layer <= range_.last; ++layer) {
    list.push_back({warmup_name(layer), warmup_memory_.raw(sizeof saved_warmup_), 1, 1, sizeof saved_warmup_});
  }
  if (error_.empty()) return list;
  const std::int64_t served = layout_.values().first(group_.own());
  for (int layer = range_.first; layer <= range_.last; ++layer) {
    const std::string id = std::to_string(layer);
    const std::int64_t first = row().first(layer), size = row().size(layer);
    add_own_entry(list, "worker_error" + id, {error_.data + first, 1, size}, group_.size(), group_.own());
    const std::int64_t begin = std::max(first, served), end = std::min(first + size, served + mean_error_.size());
    if (begin >= end) continue;
    add_own_entry(list, "mean_error" + id, {mean_error_.data + (begin - served), end - begin, 1}, size, begin - first);
  }
  return list;
}

}  // namespace gamlp
