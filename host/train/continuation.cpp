#include "host/train/continuation.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

#include "host/config/parse.hpp"
#include "host/core/error.hpp"
#include "host/methods/registry.hpp"
#include "host/store/saved_config.hpp"

namespace gamlp {
namespace {

using nlohmann::json;

constexpr const char* kPlaces[] = {
    "devices", "partition", "distributed", "train.evaluate_every", "train.checkpoint_every", "train.report"};
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
                    "`train.evaluate_every`, `train.checkpoint_every`, `train.report`, `devices`, `partition` and "
                    "`distributed` may change; train a new run with the others");
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
  if (config.stages[at].epochs < from.stage_epoch) {
    fail(at, ".epochs: is " + std::to_string(config.stages[at].epochs) + ", but " + std::to_string(from.stage_epoch) +
                 " are done");
  }
}

}  // namespace

void continue_with(const Config& config, Checkpoint& from, const std::string& source) {
  std::vector<std::string> told;  // of the run's config.json, which is as old
  const Config saved = parse_saved_config(from.config, source + ": checkpoint", told);
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
  if (training.empty()) return;
  // A stage that ended with its last epoch has more now; one that ended by a rule of train.stop may have other rules.
  const auto at = static_cast<std::size_t>(from.stage) - 1;
  const bool other_rules =
      std::any_of(all.begin(), all.end(), [](const Change& one) { return is_below(one.key, "train.stop"); });
  if (ended_by_rule(saved, from) ? other_rules : config.stages[at].epochs > from.stage_epoch)
    from.stage_complete = false;
  json history = from.continued.empty() ? json::array() : json::parse(from.continued);
  history.push_back({{"after_epoch", from.epoch}, {"changed", training}});
  from.continued = history.dump();
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
