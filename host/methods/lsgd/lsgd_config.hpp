// The keys of config section `method` that Leader SGD owns. configs/schema.json describes them, and a test holds the
// defaults of both together.
#pragma once

#include "host/methods/local/local_config.hpp"

namespace gamlp {

// By what loss a replica leads: its mean of the last steps, or that of all training nodes.
enum class LeaderBy { window, training_set };
template <>
inline constexpr std::array<EnumName<LeaderBy>, 2> enum_names<LeaderBy>{
    {{LeaderBy::window, "window"}, {LeaderBy::training_set, "training_set"}}};

struct LsgdOptions {
  std::optional<std::int64_t> groups;  // of replicas, each with a leader; null: the hosts, one if they are not alike
  std::optional<std::int64_t> tau_global;  // steps between exchanges of all groups; null: 4 τ, with one group τ
  double lambda = 0.1;                     // how far an exchange moves a replica toward its group's leader
  double lambda_global = 0.1;              // likewise toward the leader of all
  double p1 = 0.1;                         // how far the steps of a τ together move it toward its group's last leader
  double p2 = 0.1;                         // likewise toward the last leader of all, the steps of a τ_G
  LeaderBy leader = LeaderBy::window;      // what decides who leads
  std::int64_t window = 10;                // steps
};
struct LsgdConfig : LocalMethodConfig {
  LsgdOptions lsgd;
};

template <SectionOf<LsgdOptions> T, class Visit>
void fields(T& c, Visit&& visit) {
  visit("groups", c.groups);
  visit("tau_global", c.tau_global);
  visit("lambda", c.lambda);
  visit("lambda_global", c.lambda_global);
  visit("p1", c.p1);
  visit("p2", c.p2);
  visit("leader", c.leader);
  visit("window", c.window);
}
template <SectionOf<LsgdConfig> T, class Visit>
void fields(T& c, Visit&& visit) {
  base_fields<LocalMethodConfig>(c, visit);
  visit("lsgd", c.lsgd);
}

}  // namespace gamlp
