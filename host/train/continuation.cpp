#include "host/train/continuation.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

#include "host/config/parse.hpp"
#include "host/core/error.hpp"
#include "host/methods/load_config.hpp"
#include "host/methods/registry.hpp"
#include "host/store/saved_config.hpp"

namespace gamlp {
namespace {

using nlohmann::json;

constexpr const char* kPlaces[] = {"devices",
                                   "partition",
                                   "distributed",
                                   "node_memory",
                                   "train.evaluate_every",
                                   "train.checkpoint_every",
                                   "train.weights_hash",
                                   "train.report"};
constexpr const char* kTraining[] = {"stages", "train.stop"};

bool is_below(const std::string& key, const std::string& section) {
  return key == section || key.starts_with(section + ".");
}

template <class Keys>
bool is_one_of(const std::string& key, const Keys& sections) {
  return std::any_of(std::begin(sections), std::end(sections),
                     [&](const std::string& one) { return is_below(key, one); });
}

struct Change {
  std::string key;
  json before, after;
};

// Values that differ; a list is one value.
void collect(const json& before, const json& after, const std::string& key, std::vector<Change>& changes) {
  if (before == after) return;
  if (!before.is_object() || !after.is_object()) return changes.push_back({key, before, after});
  json keys = before;
  keys.update(after);
  for (const auto& [name, ignored] : keys.items()) {
    const auto value = [&, &name = name](const json& of) { return of.contains(name) ? of.at(name) : json(nullptr); };
    collect(value(before), value(after), (key.empty() ? "" : key + ".") + name, changes);
  }
}

void refuse(const std::vector<Change>& changes, const std::vector<std::string>& own, const std::string& source) {
  std::string text, also;
  for (const std::string& key : own) also += "`" + key + "`, ";
  for (const Change& one : changes) {
    text += (text.empty() ? "`" : ", `") + one.key + "` (" + one.before.dump() + " to " + one.after.dump() + ")";
  }
  throw ConfigError(source + ": a run cannot go on with another value of " + text +
                    ". Only `stages` (more epochs, further stages), `train.stop`, " + also +
                    "`train.evaluate_every`, `train.checkpoint_every`, `train.weights_hash`, `train.report`, "
                    "`devices`, `partition`, `node_memory` "
                    "and `distributed` may change; train a new run with the others");
}

// Gives `now`, the method of a stage, the values of `then`, of the same stage, where `now` has null. Also where `then`
// has null, which its method does not use, and `now` only what every stage has of `shared`, the section `method`.
void take_over(json& now, const json& then, const json& shared) {
  if (now.is_null() || (then.is_null() && now == shared)) now = then;
  if (!now.is_object() || !then.is_object() || !shared.is_object()) return;
  for (auto one = now.begin(); one != now.end(); ++one) {
    if (!then.contains(one.key()) || !shared.contains(one.key())) continue;
    take_over(one.value(), then.at(one.key()), shared.at(one.key()));
  }
}

// The choices that the run has made for the methods of the stages that it has begun, where `config` leaves them open.
Config with_choices(const Config& config, const Config& saved, int begun, const std::string& source) {
  json now = to_json(config);
  const json then = to_json(saved);
  const auto stages = std::min<std::size_t>(std::min(now["stages"].size(), then["stages"].size()),
                                            static_cast<std::size_t>(std::max(begun, 0)));
  for (std::size_t i = 0; i < stages; ++i) {
    json& mine = now["stages"][i];
    const json& its = then["stages"][i];
    const bool same =
        mine.contains("method") && its.contains("method") && mine["method"]["name"] == its["method"]["name"];
    if (same) take_over(mine["method"], its["method"], now["method"]);
  }
  Config chosen = read_config(now, source);
  mark_workers(chosen);
  return chosen;
}

// All but its epochs. `own`: keys of its method that may change.
void expect_same_stage(json now, json then, std::size_t number, const std::vector<std::string>& own,
                       const std::string& name) {
  for (json* one : {&now, &then}) one->erase("epochs");
  std::vector<Change> changes;
  collect(then, now, "", changes);
  for (const Change& change : changes) {
    if (is_one_of(change.key, own)) continue;
    throw ConfigError(name + "stages." + std::to_string(number) + "." + change.key + ": is " + change.after.dump() +
                      ", but the run has trained the stage with " + change.before.dump());
  }
}

void expect_position(const Config& config, const Config& saved, const Checkpoint& from, const std::string& source) {
  const std::string name = source + ": ";
  if (from.stage < 1 || from.stage > static_cast<int>(saved.stages.size())) {
    throw DataError(name + "checkpoint: stage " + std::to_string(from.stage) + " is not in the config");
  }
  const auto at = static_cast<std::size_t>(from.stage) - 1;
  const std::int64_t epochs = saved.stages[at].epochs;
  if (from.stage_epoch < 0 || from.stage_epoch > epochs || from.epoch < from.stage_epoch) {
    throw DataError(name + "checkpoint: stage_epoch " + std::to_string(from.stage_epoch) + " is not in stage " +
                    std::to_string(from.stage) + " of " + std::to_string(epochs) + " epochs");
  }
  const auto fail = [&](std::size_t stage, const std::string& what) {
    throw ConfigError(name + "stages." + std::to_string(stage) + what);
  };
  if (config.stages.size() <= at) fail(at, ": is missing, but the run has trained it");
  const json stages_now = to_json(config)["stages"], stages_then = to_json(saved)["stages"];
  for (std::size_t i = 0; i <= at; ++i) {
    const StageConfig &now = config.stages[i], &then = saved.stages[i];
    expect_same_stage(stages_now[i], stages_then[i], i,
                      i == at ? make_method(config, from.stage)->changeable_keys() : std::vector<std::string>(), name);
    if (i < at && now.epochs != then.epochs) {
      fail(i, ".epochs: is " + std::to_string(now.epochs) + ", but the stage is behind the run, with " +
                  std::to_string(then.epochs) + "; only the stage that it stands in, " + std::to_string(at) +
                  ", and later ones may change");
    }
  }
  const std::int64_t now = config.stages[at].epochs;
  if (now < from.stage_epoch) {
    fail(at, ".epochs: is " + std::to_string(now) + ", but " + std::to_string(from.stage_epoch) + " are done");
  }
  // The last epoch of a stage is evaluated, with the weights that only training has.
  const bool evaluated = now % saved.train.evaluate_every == 0 && !from.best.network.empty();
  if (now == from.stage_epoch && !from.stage_complete && !evaluated) {
    fail(at, ".epochs: is " + std::to_string(now) +
                 ", which are done, but the last of them was not evaluated: must be "
                 "at least " +
                 std::to_string(now + 1));
  }
}

// Where shards are workers, or replicas train: what another number of them means. Else "".
std::string workers_note(const PartitionConfig& then, const PartitionConfig& now) {
  const auto note = [](const auto& before, const auto& after, const char* what) -> std::string {
    if (!before || before == after) return "";
    return "the run had " + std::to_string(*before) + " " + what + ", and goes on with " +
           (after ? std::to_string(*after) : "one for each device") + ": results depend on their number";
  };
  if (now.replicates) return note(then.replicas, now.replicas, "replicas");
  return now.workers ? note(then.shards, now.shards, "workers") : "";
}

}  // namespace

std::string continue_with(Config& config, Checkpoint& from, const std::string& source) {
  std::vector<std::string> told;  // of the run's config.json, which is as old
  const Config saved = parse_saved_config(from.config, source + ": checkpoint", told);
  config = with_choices(config, saved, from.stage, source);
  std::vector<Change> all, refused;
  std::vector<std::string> own;
  for (int stage = 1; stage <= stage_count(config); ++stage) {
    if (config.stages[static_cast<std::size_t>(stage) - 1].method) continue;  // part of `stages`
    own = make_method(config, stage)->changeable_keys();
    break;
  }
  json training = json::object();
  collect(json(to_json(saved)), json(to_json(config)), "", all);
  for (const Change& one : all) {
    if (is_one_of(one.key, kTraining) || is_one_of(one.key, own)) {
      training[one.key] = {one.before, one.after};
    } else if (!is_one_of(one.key, kPlaces)) {
      refused.push_back(one);
    }
  }
  if (!refused.empty()) refuse(refused, own, source);
  expect_position(config, saved, from, source);
  const std::string note = workers_note(saved.partition, config.partition);
  if (training.empty()) return note;
  // A stage that ended with its last epoch has more now; one that ended by a rule of train.stop may have other rules.
  const auto at = static_cast<std::size_t>(from.stage) - 1;
  const bool other_rules =
      std::any_of(all.begin(), all.end(), [](const Change& one) { return is_below(one.key, "train.stop"); });
  if (ended_by_rule(saved, from) ? other_rules : config.stages[at].epochs > from.stage_epoch)
    from.stage_complete = false;
  json history = from.continued.empty() ? json::array() : json::parse(from.continued);
  history.push_back({{"after_epoch", from.epoch}, {"changed", training}});
  from.continued = history.dump();
  return note;
}

bool ended_by_rule(const Config& config, const Checkpoint& from) {
  return from.stage_complete && from.stage_epoch < config.stages[static_cast<std::size_t>(from.stage) - 1].epochs;
}

std::int64_t epochs_left(const Config& config, const Checkpoint& from) {
  std::int64_t left = 0;
  const auto at = static_cast<std::size_t>(from.stage) - 1;
  if (!from.stage_complete) left = config.stages[at].epochs - from.stage_epoch;
  for (std::size_t i = at + 1; i < config.stages.size(); ++i) left += config.stages[i].epochs;
  return left;
}

}  // namespace gamlp
