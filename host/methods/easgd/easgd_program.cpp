#include "host/methods/easgd/easgd_program.hpp"

namespace gamlp {

EasgdProgram::EasgdProgram(const DeviceContext& context, const StageSpec& spec, int rank, DeviceInput* input,
                           const OptimizerRule& rule, const EasgdConfig& config)
    : AveragingProgram(context, spec, rank, input, rule, config), beta_(static_cast<float>(config.easgd.beta)) {
  centre_ = allocate_row(centre_memory_, "centre", MemoryKind::weights);
}

void EasgdProgram::enqueue_start() {
  AveragingProgram::enqueue_start();
  enqueue(ops::Copy{as_bytes(ConstMat(weights())), as_bytes(centre_)});
}

void EasgdProgram::exchange(std::int64_t epoch, std::int64_t) {
  average(scratch(), epoch);
  enqueue(ops::Pull{weights(), centre_, {}, beta_ / static_cast<float>(replicas().size())});
  enqueue(ops::Pull{centre_, scratch(), {}, beta_});
}

std::vector<StageProgram::Entry> EasgdProgram::entries() const {
  std::vector<Entry> list = AveragingProgram::entries();
  add_row_entries(list, "centre", centre_, true);
  return list;
}

}  // namespace gamlp
