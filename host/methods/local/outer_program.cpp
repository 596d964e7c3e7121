#include "host/methods/local/outer_program.hpp"

namespace gamlp {

OuterProgram::OuterProgram(const DeviceContext& context, const StageSpec& spec, int rank, DeviceInput* input,
                           const OptimizerRule& rule, const LocalMethodConfig& config, const OuterRule& outer,
                           bool by_rate, const CompressedMean::Coding& coding, int each)
    : AveragingProgram(context, spec, rank, input, rule, config, coding, each), outer_(outer), by_rate_(by_rate) {
  anchor_ = allocate_row(anchor_memory_, "anchor", MemoryKind::weights);
  momentum_ = allocate_row(momentum_memory_, "outer momentum", MemoryKind::weights);
  outer_.learning_rate = by_rate ? rule.learning_rate : 1.0;
}

void OuterProgram::enqueue_start() {
  AveragingProgram::enqueue_start();
  enqueue(ops::Copy{as_bytes(ConstMat(weights())), as_bytes(anchor_)});
  enqueue(ops::Zero{as_bytes(momentum_)});
}

void OuterProgram::exchange(std::int64_t epoch, std::int64_t) {
  average_change(anchor_, scratch(), epoch);
  context_.compute->label({"outer", 0, epoch});
  enqueue(ops::OuterStep{scratch(), momentum_, anchor_, weights(), outer_, iteration(),
                         by_rate_ ? rates() : MatView<const double>{}});
}

std::vector<StageProgram::Entry> OuterProgram::entries() const {
  std::vector<Entry> list = AveragingProgram::entries();
  add_row_entries(list, kAnchor, anchor_, true);
  add_row_entries(list, kMomentum, momentum_, true);
  return list;
}

}  // namespace gamlp
