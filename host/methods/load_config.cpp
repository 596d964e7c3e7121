#include "host/methods/load_config.hpp"

#include <algorithm>

#include "host/config/check.hpp"
#include "host/config/device_grid.hpp"
#include "host/config/device_names.hpp"
#include "host/config/explain.hpp"
#include "host/config/json_text.hpp"
#include "host/core/join.hpp"
#include "host/methods/registry.hpp"

namespace gamlp {
namespace {

using nlohmann::json;
using Lines = std::vector<std::string>;

void append(Lines& out, const Lines& more) { out.insert(out.end(), more.begin(), more.end()); }

bool holds(const Lines& lines, const std::string& line) {
  return std::find(lines.begin(), lines.end(), line) != lines.end();
}

// The methods that read a key.
std::string owners(const std::string& key) {
  const Lines names = method_names();
  const auto methods = all_methods();
  Lines all;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (holds(methods[i]->keys(), key)) all.push_back(names[i]);
  }
  return joined(all, " and ");
}

// Keys of other methods that someone has set all the same. A stage's method has those of `inherited` (else null) too.
void warn_unused(const MethodConfig& config, const MethodConfig* inherited, const Method& method, Lines& out) {
  const Lines own = method.keys(), ignored = method.ignored_keys();
  MethodConfig unset;
  unset.name = config.name;
  const auto defaults = method_json(inherited != nullptr ? *inherited : unset), all = method_json(config);
  for (const auto& [key, given] : config.options.json().items()) {
    if (holds(own, key) || holds(ignored, key) || all.at(key) == defaults.at(key)) continue;
    out.push_back("`method." + key + "` has no effect with `method.name` \"" + config.name + "\": it belongs to " +
                  owners(key));
  }
}

// A config for each method that trains, with this method in section `method`.
struct MethodView {
  Config config;
  const MethodConfig* inherited = nullptr;  // a stage's own method has the other keys of this one
  std::string path = "method.";
};
std::vector<MethodView> views_of(const Config& config) {
  std::vector<MethodView> views;
  for (std::size_t i = 0; i < config.stages.size(); ++i) {
    const auto& own = config.stages[i].method;
    if (!own) continue;
    views.push_back({config, &config.method, "stages." + std::to_string(i) + ".method."});
    Config& view = views.back().config;
    view.method = *own;
    for (StageConfig& stage : view.stages) {  // those of the section have it still
      if (!stage.method) stage.method = config.method;
    }
  }
  if (views.size() < std::max<std::size_t>(config.stages.size(), 1)) views.insert(views.begin(), {config, nullptr});
  return views;
}

// The lines, whose keys are those of section `method`, with the keys of the view.
void append_from(const MethodView& view, const Lines& lines, Lines& out) {
  for (std::string line : lines) {
    for (std::size_t at = 0; (at = line.find("`method.", at)) != std::string::npos; at += view.path.size()) {
      line.replace(at + 1, std::string("method.").size(), view.path);
    }
    if (!holds(out, line)) out.push_back(std::move(line));
  }
}

}  // namespace

void mark_workers(Config& config) {
  config.partition.workers = config.partition.replicates = false;
  for (const MethodView& view : views_of(config)) {
    const auto method = make_method(view.config.method, config.exchange);
    if (method->shards_are_workers()) config.partition.workers = true;
    if (method->replicates()) config.partition.replicates = true;
  }
}

Config parse_config(const json& document, const std::string& source) {
  Config config = read_config(document, source);
  mark_workers(config);
  throw_problems(config_problems(config), source);
  return config;
}

Config parse_config_text(std::string_view text, const std::string& source) {
  return parse_config(parse_json_text(text, source), source);
}

Config parse_document(json document, const std::filesystem::path& file, std::span<const std::string> overrides) {
  for (const std::string& text : overrides) apply_override(document, text);
  return parse_config(document, file.string() + (overrides.empty() ? "" : " (with overrides)"));
}

Config load_config(const std::filesystem::path& file, std::span<const std::string> overrides) {
  return parse_document(read_document(file), file, overrides);
}

namespace {

// The replicas of a network are there from the first stage to the last, or not at all.
Lines replicas_problems(const Config& config) {
  std::string with, without;
  for (int stage = 1; stage <= stage_count(config); ++stage) {
    const auto method = make_method(config, stage);
    (method->replicates() ? with : without) = method_of(config, stage).name;
  }
  if (!with.empty() && !without.empty()) {
    return {"`stages` have the methods \"" + with + "\", which trains replicas, and \"" + without +
            "\", which does not: must be of one kind"};
  }
  if (with.empty() && config.partition.replicas.value_or(1) > 1) {
    return {"`partition.replicas` is " + std::to_string(*config.partition.replicas) + " with `method.name` \"" +
            without + "\": must be 1, the method has no replicas"};
  }
  return {};
}

}  // namespace

std::vector<std::string> config_problems(const Config& config) {
  Lines out = section_problems(config);
  if (!config.stages.empty()) {
    const std::optional<int> devices = named_devices(config.devices).count;
    const std::string problem = grid_problem(config, devices.value_or(static_cast<int>(least_devices(config))));
    const std::string named = devices ? "`devices` is \"" + config.devices + "\": " : "";
    if (!problem.empty()) out.push_back(named + problem);
  }
  append(out, replicas_problems(config));
  bool residual = config.stages.empty();
  for (const MethodView& view : views_of(config)) {
    const auto method = make_method(view.config.method, config.exchange);
    append_from(view, method->problems(view.config), out);
    residual = residual || method->has_residual();
  }
  if (config.train.stop.residual && !residual) {
    out.push_back("`train.stop.residual` is " + json(*config.train.stop.residual).dump() + " with `method.name` \"" +
                  config.method.name + "\": must be null, the method has no residual");
  }
  return out;
}

void check_config(const Config& config) { throw_problems(config_problems(config), "config"); }

std::vector<std::string> config_warnings(const Config& config) {
  Lines out;
  for (const MethodView& view : views_of(config)) {
    const auto method = make_method(view.config.method, config.exchange);
    Lines lines = method->warnings(view.config);
    if (view.inherited != nullptr) {  // what the section says alone is no mistake of the stage
      Config without = view.config;
      without.method.options = view.inherited->options;
      const Lines known = make_method(without.method, without.exchange)->warnings(without);
      std::erase_if(lines, [&](const std::string& line) { return holds(known, line); });
    }
    warn_unused(view.config.method, view.inherited, *method, lines);
    append_from(view, lines, out);
  }
  append(out, section_warnings(config));
  return out;
}

}  // namespace gamlp
