#include "host/methods/registry.hpp"

#include <algorithm>
#include <map>

#include "host/config/config.hpp"
#include "host/config/device_grid.hpp"
#include "host/core/error.hpp"
#include "host/core/join.hpp"
#include "host/methods/admm/admm_method.hpp"
#include "host/methods/apmsqueeze/apmsqueeze_method.hpp"
#include "host/methods/backprop/backprop_method.hpp"
#include "host/methods/diloco/diloco_method.hpp"
#include "host/methods/easgd/easgd_method.hpp"
#include "host/methods/local_sgd/local_sgd_method.hpp"
#include "host/methods/lsgd/lsgd_method.hpp"
#include "host/methods/slowmo/slowmo_method.hpp"

namespace gamlp {
namespace {

using MethodPointer = std::shared_ptr<const Method>;

MethodPointer make_admm(const MethodConfig& method, const ExchangeConfig& exchange) {
  return std::make_shared<AdmmMethod>(options_of<AdmmConfig>(method), exchange);
}
template <Optimizer optimizer>
MethodPointer make_backprop(const MethodConfig& method, const ExchangeConfig&) {
  return std::make_shared<BackpropMethod>(method.name, optimizer, options_of<BackpropConfig>(method));
}
MethodPointer make_apmsqueeze(const MethodConfig& method, const ExchangeConfig&) {
  return std::make_shared<ApmMethod>(method.name, options_of<ApmConfig>(method));
}
template <class MethodOf, class Options>
MethodPointer make_local(const MethodConfig& method, const ExchangeConfig&) {
  return std::make_shared<MethodOf>(method.name, options_of<Options>(method));
}

struct Registered {
  const char* name;
  MethodPointer (*make)(const MethodConfig&, const ExchangeConfig&);
};
// A line per method.
constexpr Registered kMethods[] = {
    {"pdadmm-g", make_admm},
    {"gd", make_backprop<Optimizer::gd>},
    {"nesterov", make_backprop<Optimizer::nesterov>},
    {"adadelta", make_backprop<Optimizer::adadelta>},
    {"adagrad", make_backprop<Optimizer::adagrad>},
    {"adam", make_backprop<Optimizer::adam>},
    {"apmsqueeze", make_apmsqueeze},
    {"local_sgd", make_local<LocalSgdMethod, LocalMethodConfig>},
    {"lsgd", make_local<LsgdMethod, LsgdConfig>},
    {"easgd", make_local<EasgdMethod, EasgdConfig>},
    {"slowmo", make_local<SlowMoMethod, SlowMoConfig>},
    {"diloco", make_local<DiLoCoMethod, DiLoCoConfig>},
};

}  // namespace

std::vector<std::string> method_names() {
  std::vector<std::string> names;
  for (const Registered& one : kMethods) names.emplace_back(one.name);
  return names;
}

MethodPointer make_method(const MethodConfig& method, const ExchangeConfig& exchange) {
  for (const Registered& one : kMethods) {
    if (one.name == method.name) return one.make(method, exchange);
  }
  throw ConfigError("method.name: unknown method \"" + method.name + "\"; known are " + joined(method_names()));
}

MethodPointer make_method(const Config& config, int stage) {
  return make_method(method_of(config, stage), config.exchange);
}

MethodPointer make_method(const Config& config) { return make_method(config, stage_count(config)); }

std::vector<MethodPointer> all_methods() {
  std::vector<MethodPointer> all;
  for (const std::string& name : method_names()) {
    MethodConfig method;
    method.name = name;
    all.push_back(make_method(method));
  }
  return all;
}

namespace {

std::vector<MethodConfig*> sections_of(Config& config) {
  std::vector<MethodConfig*> all;
  for (StageConfig& stage : config.stages) all.push_back(stage.method ? &*stage.method : &config.method);
  return all;
}

// Whether weights in the coordinates `from` can go on in the coordinates `to` without loss. The span of the inputs
// holds that of the inputs without their mean. The exact update, for which the kernel form is, drops what is not in
// that span by itself (docs/algorithm.md §5).
bool holds(InputKind from, InputKind to) {
  return from == to || to == InputKind::plain || to == InputKind::kernel ||
         (from == InputKind::kernel && to == InputKind::qr);
}

// The coordinates that a method would choose, and why.
struct ChosenInput {
  InputKind kind = InputKind::plain;
  std::string why;
};

}  // namespace

std::vector<InputKind> resolve_problem(Config& config, const ProblemShape& given, std::vector<std::string>* notes,
                                       const std::vector<InputKind>& begun) {
  ProblemShape shape = given;
  shape.shards = std::max(shape.shards, config.partition.shards.value_or(1));
  shape.replicas = std::max(shape.replicas, config.partition.replicas.value_or(1));
  const std::vector<MethodConfig*> sections = sections_of(config);
  const auto note = [&](std::size_t stage, std::string& why) {
    const std::string of = sections[stage] == &config.method ? "" : "stage " + std::to_string(stage + 1) + ": ";
    if (notes != nullptr && !why.empty()) notes->push_back(of + why);
    why.clear();
  };
  std::map<const MethodConfig*, ChosenInput> chosen;
  std::vector<InputKind> kinds;
  for (std::size_t i = 0; i < sections.size(); ++i) {
    MethodConfig& section = *sections[i];
    const auto [place, first] = chosen.try_emplace(&section);
    ChosenInput& input = place->second;
    if (first) {
      std::string why;
      make_method(section, config.exchange)->resolve(section, config.model, shape, &why);
      note(i, why);
      const auto resolved = make_method(section, config.exchange);
      const std::string too_many = shards_problem(config, shape.shards, resolved->blocks(shape.train_nodes),
                                                  resolved->blocks_text(shape.train_nodes));
      if (!too_many.empty()) throw ConfigError(too_many);
      std::int64_t epochs = 0;
      for (std::size_t j = i; j < sections.size(); ++j) epochs += sections[j] == &section ? config.stages[j].epochs : 0;
      input.kind = resolved->choose_input(shape, config.model.width, epochs, &input.why);
      if (i < begun.size() && begun[i] != input.kind) input = {begun[i], ""};
    }
    if (i < begun.size()) {
      kinds.push_back(begun[i]);
      if (begun[i] == input.kind) note(i, input.why);
      continue;
    }
    const bool new_weights = kinds.empty() && !config.train.from;
    const InputKind before = kinds.empty() ? InputKind::plain : kinds.back();
    kinds.push_back(new_weights || holds(before, input.kind) ? input.kind : InputKind::plain);
    if (kinds.back() == input.kind) note(i, input.why);
  }
  // Of no stage, but config.json holds it.
  if (!chosen.contains(&config.method)) {
    make_method(config.method, config.exchange)->resolve(config.method, config.model, shape, nullptr);
  }
  return kinds;
}

std::string methods_text(const Config& config) {
  std::string all, last;
  for (int stage = 1; stage <= stage_count(config); ++stage) {
    const std::string text = make_method(config, stage)->text();
    if (text != last) all += (all.empty() ? "" : "; then ") + text;
    last = text;
  }
  return all;
}

StageSpec make_stage_spec(const Config& config, const TrainingShape& shape, int stage, int devices,
                          const std::vector<int>& hosts) {
  StageSpec spec = make_stage_spec(config, make_method(config, stage), shape, stage, devices, hosts);
  // The stages of a run share the staging memory.
  for (int other = 1; spec.staging > 0 && other <= stage_count(config); ++other) {
    spec.staging =
        std::max(spec.staging, make_stage_spec(config, make_method(config, other), shape, other, devices).staging);
  }
  return spec;
}

}  // namespace gamlp
