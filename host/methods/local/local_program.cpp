#include "host/methods/local/local_program.hpp"

namespace gamlp {

LocalProgram::LocalProgram(const DeviceContext& context, const StageSpec& spec, int rank, DeviceInput* input,
                           const OptimizerRule& rule, const LocalMethodConfig& config, std::int64_t unit,
                           bool losses_of_all)
    : GradientProgram(context, spec, rank, input, rule, config, {unit, true, true, config.local.data, losses_of_all}),
      tau_(*config.local.tau),
      replicas_(spec.replica_group(rank)) {}

void LocalProgram::enqueue_start() {
  GradientProgram::enqueue_start();
  enqueue_constants();
}

void LocalProgram::restored(const TrainingState& state) {
  GradientProgram::restored(state);
  enqueue_constants();
}

void LocalProgram::update(std::int64_t epoch, std::int64_t step) {
  GradientProgram::update(epoch, step);
  after_step(epoch);
  if (exchanges_after(step)) exchange(epoch, step);
}

Mat LocalProgram::allocate_row(Buffer& memory, const char* what, MemoryKind kind) {
  memory = context_.device->allocate(static_cast<std::size_t>(row().size()) * sizeof(float), what, kind);
  return memory.mat(1, row().size());
}

void LocalProgram::add_row_entries(std::vector<Entry>& list, const std::string& name, Mat values, bool common) const {
  if (values.empty()) return;
  for (int layer = range_.first; layer <= range_.last; ++layer) {
    add_entry(list, name + std::to_string(layer), {values.data + row().first(layer), 1, row().size(layer)});
    if (common) list.back().of = Replicas::all_alike;
  }
}

}  // namespace gamlp
