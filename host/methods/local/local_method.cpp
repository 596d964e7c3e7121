#include "host/methods/local/local_method.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>

#include "host/config/config.hpp"
#include "host/core/error.hpp"
#include "host/core/number_text.hpp"
#include "host/methods/gradient/gradient_program.hpp"
#include "host/methods/gradient/worker_errors.hpp"

namespace gamlp {
namespace {

// Of steps whose size nobody chose: as many nodes as LSGD's authors took.
constexpr std::int64_t kBatch = 128;

// The nodes that a replica has in an epoch.
std::int64_t nodes_of_replica(const StageSpec& spec, int replica, const GradientConfig& config, ReplicaData data) {
  if (data == ReplicaData::replicated) return spec.nodes;
  const MiniBatches batches(spec, replica, config.batch, data);
  std::int64_t nodes = 0;
  for (int step = 0; step < batches.steps(); ++step) nodes += batches.nodes(step);
  return nodes;
}

}  // namespace

LocalMethod::LocalMethod(const std::string& name, const LocalMethodConfig& config, Optimizer inner, std::int64_t tau,
                         int scalars)
    : GradientMethod(name, config.local.optimizer.value_or(inner), config, scalars), local_(config.local), tau_(tau) {}

void LocalMethod::resolve(MethodConfig& method, const ModelConfig& model, const ProblemShape& shape,
                          std::string* why) const {
  GradientMethod::resolve(method, model, shape, why);
  LocalMethodConfig resolved = options_of<LocalMethodConfig>(method);
  resolved.local = local_;
  resolved.local.optimizer = optimizer();
  if (!resolved.local.tau) resolved.local.tau = tau_;
  set_options(method, resolved);
  write_own(method);
  if (why == nullptr) return;
  *why += "; steps of " + grouped(*resolved.batch) + " nodes, an exchange every " + std::to_string(*resolved.local.tau);
  if (*resolved.batch >= shape.train_nodes && local_.data == ReplicaData::replicated) {
    *why += ": all replicas take the same nodes (`method.batch`), so they stay the same";
  }
}

std::optional<std::int64_t> LocalMethod::default_batch(const ProblemShape& shape) const {
  const std::int64_t own = local_.data == ReplicaData::replicated
                               ? shape.train_nodes
                               : shape.train_nodes / std::max<std::int64_t>(shape.replicas, 1);
  return std::clamp<std::int64_t>(own, 1, kBatch);
}

std::string LocalMethod::text() const {
  const std::string data = local_.data == ReplicaData::replicated ? "" : ", nodes " + std::string(name_of(local_.data));
  return GradientMethod::text() + ", steps by " + std::string(name_of(optimizer())) + ", every " +
         std::to_string(*local_.tau) + " " + exchange_text() + data;
}

std::vector<std::pair<std::string, std::string>> LocalMethod::summary() const {
  auto lines = GradientMethod::summary();
  const std::string every = local_.tau ? " every " + std::to_string(*local_.tau) + " steps" : "";
  lines.emplace_back("between replicas", exchange_text() + every);
  return lines;
}

nlohmann::ordered_json LocalMethod::report() const { return {{"tau", *local_.tau}}; }

std::int64_t LocalMethod::nodes_per_epoch(const StageSpec& spec) const {
  return local_.data == ReplicaData::replicated ? spec.nodes * spec.placement.replicas : spec.nodes;
}

std::int64_t LocalMethod::period(const StageSpec& spec) const {
  const std::int64_t every = period_steps(spec);
  return every / std::gcd(every, steps_per_epoch(spec));
}

TrainingFigures LocalMethod::figures(const StageSpec& spec, const std::vector<double>& scalars,
                                     std::int64_t epoch) const {
  const int replicas = spec.placement.replicas;
  const std::size_t each = scalars.size() / static_cast<std::size_t>(replicas);
  TrainingFigures all;
  for (int replica = 0; replica < replicas; ++replica) {
    const auto first = scalars.begin() + static_cast<std::ptrdiff_t>(static_cast<std::size_t>(replica) * each);
    try {
      const TrainingFigures one =
          GradientMethod::figures(spec, std::vector<double>(first, first + static_cast<std::ptrdiff_t>(each)), epoch);
      const auto nodes = static_cast<double>(nodes_of_replica(spec, replica, config(), local_.data));
      all.replica_risks.push_back(one.risk / nodes * static_cast<double>(spec.nodes));
      all.risk += local_.data == ReplicaData::replicated ? one.risk / replicas : one.risk;
      all.residual = one.residual, all.relative_residual = one.relative_residual;
    } catch (const DivergenceError& error) {
      throw DivergenceError(error.what() + (replicas > 1 ? "; replica " + std::to_string(replica) : std::string()));
    }
  }
  all.objective = all.risk;
  if (replicas == 1) all.replica_risks.clear();
  return all;
}

std::optional<FittedState> LocalMethod::fitted_state(const TrainingState& state, const StageSpec& spec) const {
  const int replicas = spec.placement.replicas;
  const auto weights = state.find("W1");
  if (weights == state.end()) return std::nullopt;  // of another process than rank 0's
  const auto before = static_cast<int>(weights->second.rows / spec.widths[1]);
  if (before == replicas || before < 1) return std::nullopt;
  FittedState fitted{state, "the run had " + std::to_string(before) + " replicas of the network: each of " +
                                std::to_string(replicas) + " begins with their mean"};
  const std::vector<std::string> common = common_tensors();
  for (auto& [name, tensor] : fitted.state) {
    const std::string kind = name.substr(0, name.find_last_not_of("0123456789") + 1);
    if (kind == "iteration" || kind == "worker_error" || kind == "mean_error") continue;
    if (std::find(common.begin(), common.end(), kind) != common.end()) continue;
    share_out(tensor, before, replicas, before);
  }
  return fitted;
}

}  // namespace gamlp
