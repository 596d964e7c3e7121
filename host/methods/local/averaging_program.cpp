#include "host/methods/local/averaging_program.hpp"

namespace gamlp {

AveragingProgram::AveragingProgram(const DeviceContext& context, const StageSpec& spec, int rank, DeviceInput* input,
                                   const OptimizerRule& rule, const LocalMethodConfig& config,
                                   const CompressedMean::Coding& coding, int each)
    : LocalProgram(context, spec, rank, input, rule, config, CompressLayout::unit(coding.bits)),
      mean_(context, replicas(), row(), coding, each) {}

void AveragingProgram::enqueue_start() {
  LocalProgram::enqueue_start();
  mean_.enqueue_reset();
}

void AveragingProgram::average(Mat out, std::int64_t epoch) {
  context_.compute->label({"mean", 0, epoch});
  mean_.enqueue({}, 0.0f, weights(), 1.0f, epoch);
  enqueue(ops::ExpandRow{mean_.message(), out, mean_.blocks()});
}

void AveragingProgram::average_change(ConstMat anchor, Mat out, std::int64_t epoch) {
  context_.compute->label({"mean", 0, epoch});
  mean_.enqueue(anchor, 1.0f, weights(), -1.0f, epoch);
  enqueue(ops::ExpandRow{mean_.message(), out, mean_.blocks()});
}

std::vector<StageProgram::Entry> AveragingProgram::entries() const {
  std::vector<Entry> list = LocalProgram::entries();
  for (int layer = range_.first; layer <= range_.last; ++layer) {
    mean_.add_errors(row(), layer, [&](const std::string& name, Mat part, std::int64_t rows, std::int64_t first) {
      add_own_entry(list, name, part, rows, first);
      list.back().of = Replicas::spread;
      list.back().shared = true;  // by the shards of a replica
    });
  }
  return list;
}

}  // namespace gamlp
