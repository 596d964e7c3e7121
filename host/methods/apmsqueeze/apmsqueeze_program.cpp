#include "host/methods/apmsqueeze/apmsqueeze_program.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace gamlp {
namespace {

constexpr ProgramOptions kRows{CompressedMean::kUnit, true};

std::string warmup_name(int layer) { return "warmup" + std::to_string(layer); }

CompressedMean::Coding coding_of(const SqueezeConfig& squeeze) {
  return {static_cast<int>(squeeze.bits), squeeze.block, squeeze.error_feedback};
}

}  // namespace

std::vector<CompressedMean::Sent> ApmProgram::bytes_sent(const std::vector<std::int64_t>& widths,
                                                         const LayerRange& range, const SqueezeConfig& squeeze,
                                                         int workers, int each) {
  return CompressedMean::bytes_sent(LayerRow(widths, range, kRows.unit), coding_of(squeeze), workers, each);
}

int ApmProgram::group_size(const SqueezeConfig& squeeze, const StageSpec& spec) {
  if (spec.placement.shards == 1) return 1;  // of a forecast that compares with one device, for instance
  return static_cast<int>(squeeze.group.value_or(spec.shards_per_host()));
}

ApmProgram::ApmProgram(const DeviceContext& context, const StageSpec& spec, int rank, DeviceInput* input,
                       const OptimizerRule& rule, const ApmConfig& config, std::int64_t warmup)
    : GradientProgram(context, spec, rank, input, rule, config, kRows),
      squeeze_(config.squeeze),
      warmup_(warmup * steps()),
      saved_warmup_(static_cast<std::int32_t>(warmup_)),
      mean_(context, group_, row(), coding_of(squeeze_), group_size(squeeze_, spec)) {
  warmup_memory_ = context_.device->allocate(sizeof saved_warmup_, "warm-up", MemoryKind::data);
  root_memory_ = context_.device->allocate(sizeof(double), "mean root", MemoryKind::workspace);
}

void ApmProgram::enqueue_start() {
  GradientProgram::enqueue_start();
  upload_constants();
  mean_.enqueue_reset();
}

void ApmProgram::restored(const TrainingState& state) {
  GradientProgram::restored(state);
  std::memcpy(&saved_warmup_, state.at(warmup_name(range_.first)).row(0), sizeof saved_warmup_);
  warmup_ = saved_warmup_;
  upload_constants();
}

void ApmProgram::upload_constants() {
  mean_.enqueue_table();
  upload_warmup();
}

void ApmProgram::upload_warmup() {
  enqueue(ops::Upload{reinterpret_cast<const std::byte*>(&saved_warmup_), warmup_memory_.raw(sizeof saved_warmup_)});
}

// A root for each layer: its tensors are padded with 0, which changes all means of a layer alike.
void ApmProgram::enqueue_iteration(std::int64_t epoch, bool metrics) {
  GradientProgram::enqueue_iteration(epoch, metrics);
  if (!squeeze_.settled || epoch * steps() >= warmup_) return;
  context_.compute->label({"roots", 0, epoch});
  const int turn = kRoots + static_cast<int>(epoch % (kWindow + 1));
  for (int layer = range_.first; layer <= range_.last; ++layer) {
    const Mat square{kept(1).data + row().first(layer), 1, row().size(layer)};
    enqueue(ops::FloorSquare{square, scalar(layer, turn), 0.0});
  }
}

double ApmProgram::root_of(std::int64_t epoch, const std::vector<double>& scalars) const {
  double sum = 0.0;
  for (int layer = 1; layer <= spec_.layers(); ++layer) {
    const auto turn = static_cast<std::size_t>(kRoots + epoch % (kWindow + 1));
    sum += scalars[static_cast<std::size_t>(layer - 1) * kSettledScalars + turn];
  }
  return sum / std::sqrt(1.0 - std::pow(rule().beta2, static_cast<double>((epoch + 1) * steps())));
}

void ApmProgram::observe(std::int64_t epoch, const std::vector<double>& scalars) {
  const std::int64_t next = (epoch + 2) * steps();
  if (!squeeze_.settled || epoch < kWindow || next >= warmup_) return;
  const double now = root_of(epoch, scalars), before = root_of(epoch - kWindow, scalars);
  if (!(now >= *squeeze_.settled * before && before >= *squeeze_.settled * now)) return;
  warmup_ = next;
  saved_warmup_ = static_cast<std::int32_t>(warmup_);
  upload_warmup();
}

void ApmProgram::floor_squares(std::int64_t epoch) {
  context_.compute->label({"floor", 0, epoch});
  for (const RowTensor& tensor : row().tensors()) {
    enqueue(ops::FloorSquare{
        {kept(1).data + tensor.first, 1, tensor.values}, root_memory_.view<double>(1, 1), squeeze_.floor});
  }
}

void ApmProgram::update(std::int64_t epoch, std::int64_t step) {
  if (step < warmup_) return GradientProgram::update(epoch, step);
  if (step == warmup_ && squeeze_.floor > 0.0) floor_squares(epoch);
  const Mat gradient = own_gradient(epoch), momentum = kept(0);
  const double beta1 = rule().beta1;
  context_.compute->label({"momentum", 0, epoch});
  // The gradients are divided by the number of all nodes of the step: their sum over the workers is the gradient.
  const double workers = group_.size();
  mean_.enqueue(momentum, static_cast<float>(beta1), gradient, static_cast<float>((1.0 - beta1) * workers), epoch);
  const MomentumRule rule_now{rule().learning_rate,
                              beta1,
                              rule().beta2,
                              rule().eps,
                              rule().weight_decay,
                              squeeze_.clip,
                              static_cast<std::uint32_t>(std::max<std::int64_t>(warmup_, 1))};
  enqueue(ops::MomentumUpdate{mean_.message(), momentum, weights(), kept(1), mean_.blocks(), rule_now, iteration(),
                              rates()});
}

std::vector<StageProgram::Entry> ApmProgram::entries() const {
  std::vector<Entry> list = GradientProgram::entries();
  for (int layer = range_.first; layer <= range_.last; ++layer) {
    list.push_back({warmup_name(layer), warmup_memory_.raw(sizeof saved_warmup_), 1, 1, sizeof saved_warmup_});
  }
  for (int layer = range_.first; layer <= range_.last; ++layer) {
    mean_.add_errors(row(), layer, [&](const std::string& name, Mat part, std::int64_t rows, std::int64_t first) {
      add_own_entry(list, name, part, rows, first);
    });
  }
  return list;
}

}  // namespace gamlp
