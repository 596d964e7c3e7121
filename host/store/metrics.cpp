#include "host/store/metrics.hpp"

#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "host/config/json_number.hpp"
#include "host/core/error.hpp"

namespace gamlp {

std::optional<std::size_t> EpochRecord::leader() const {
  if (replica_risks.empty()) return std::nullopt;
  std::size_t best = 0;
  for (std::size_t i = 1; i < replica_risks.size(); ++i) {
    if (replica_risks[i] < replica_risks[best]) best = i;
  }
  return best;
}

void ReplicaFigures::add(const std::vector<std::int64_t>& of_epoch) {
  if (leads.size() < of_epoch.size()) leads.resize(of_epoch.size());
  for (std::size_t i = 0; i < of_epoch.size(); ++i) leads[i] += of_epoch[i];
}

// The first of several that validate as well. Where no node validates, the last.
void ReplicaFigures::evaluated(std::int64_t epoch, const Accuracies& leader) {
  if (best_epoch > 0 && leader.validation <= best.validation) return;
  best_epoch = epoch, best = leader;
}

nlohmann::ordered_json to_json(const EpochRecord& r) {
  nlohmann::ordered_json json = {{"epoch", r.epoch},
                                 {"stage", r.stage},
                                 {"stage_epoch", r.stage_epoch},
                                 {"layers", r.layers},
                                 {"objective", r.objective},
                                 {"residual", number_or_null(r.residual)},
                                 {"relative_residual", number_or_null(r.relative_residual)},
                                 {"risk", r.risk}};
  if (r.stage_steps > 0) json["stage_steps"] = r.stage_steps;
  if (std::isfinite(r.dual_residual)) json["dual_residual"] = r.dual_residual;
  const double nan = std::nan("");
  json["train_accuracy"] = number_or_null(r.accuracy ? r.accuracy->train : nan);
  json["validation_accuracy"] = number_or_null(r.accuracy ? r.accuracy->validation : nan);
  json["test_accuracy"] = number_or_null(r.accuracy ? r.accuracy->test : nan);
  if (const auto leader = r.leader()) {
    json["leader"] = *leader;
    json["leader_train_accuracy"] = number_or_null(r.leader_accuracy ? r.leader_accuracy->train : nan);
    json["leader_validation_accuracy"] = number_or_null(r.leader_accuracy ? r.leader_accuracy->validation : nan);
    json["leader_test_accuracy"] = number_or_null(r.leader_accuracy ? r.leader_accuracy->test : nan);
    json["replica_risks"] = r.replica_risks;
  }
  if (!r.leads.empty()) json["leads"] = r.leads;
  json["seconds"] = r.seconds;
  json["bytes_sent"] = r.bytes_sent;
  if (r.weights_hash) {
    char hash[17];
    std::snprintf(hash, sizeof hash, "%016llx", static_cast<unsigned long long>(*r.weights_hash));
    json["weights_hash"] = hash;
  }
  for (const auto& [message, bits] : r.bits) json["bits"][message] = bits;
  return json;
}

}  // namespace gamlp
