#include "host/methods/lsgd/lsgd_method.hpp"

#include "host/methods/lsgd/lsgd_program.hpp"

namespace gamlp {

LsgdMethod::LsgdMethod(const std::string& name, const LsgdConfig& config)
    : LocalMethod(name, config, Optimizer::nesterov, kTau, LsgdProgram::kLsgdScalars), lsgd_(config) {}

std::vector<std::string> LsgdMethod::problems(const Config& config) const {
  std::vector<std::string> out = LocalMethod::problems(config);
  const std::int64_t tau = local().tau.value_or(kTau);
  if (lsgd_.lsgd.tau_global && *lsgd_.lsgd.tau_global % tau != 0) {
    out.push_back("`method.lsgd.tau_global` is " + std::to_string(*lsgd_.lsgd.tau_global) + ": must be a multiple of " +
                  std::to_string(tau) + " (`method.local.tau`)");
  }
  return out;
}

std::int64_t LsgdMethod::period_steps(const StageSpec& spec) const {
  return LsgdProgram::tau_global_of(with_base(lsgd_), LsgdProgram::groups_of(lsgd_.lsgd, spec));
}

TrainingFigures LsgdMethod::figures(const StageSpec& spec, const std::vector<double>& scalars,
                                    std::int64_t epoch) const {
  TrainingFigures all = LocalMethod::figures(spec, scalars, epoch);
  const std::size_t replicas = static_cast<std::size_t>(spec.placement.replicas), each = scalars.size() / replicas;
  for (std::size_t replica = 0; replicas > 1 && replica < replicas; ++replica) {
    const std::size_t last = (replica + 1) * each - LsgdProgram::kLsgdScalars;
    all.leads.push_back(static_cast<std::int64_t>(scalars[last + LsgdProgram::kLeads]));
  }
  return all;
}

std::optional<FittedState> LsgdMethod::fitted_state(const TrainingState& state, const StageSpec& spec) const {
  std::optional<FittedState> fitted = LocalMethod::fitted_state(state, spec);
  const int groups = LsgdProgram::groups_of(lsgd_.lsgd, spec);
  if (groups == 1 || !state.contains("leader1") || state.contains("group_leader1")) return fitted;
  if (!fitted) fitted = FittedState{state, ""};
  for (int layer = 1; layer <= spec.layers(); ++layer) {
    const std::string name = "leader" + std::to_string(layer);
    fitted->state["group_" + name] = fitted->state.at(name);
  }
  fitted->note += (fitted->note.empty() ? "" : "; ") + std::string("the run had one group of replicas: each of ") +
                  std::to_string(groups) + " begins with the leader of all";
  return fitted;
}

std::unique_ptr<StageProgram> LsgdMethod::create_program(const DeviceContext& context, const StageSpec& spec, int rank,
                                                         DeviceInput* input) const {
  return std::make_unique<LsgdProgram>(context, spec, rank, input, rule(), with_base(lsgd_));
}

}  // namespace gamlp
