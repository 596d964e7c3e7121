#include "host/methods/registry.hpp"

#include "host/config/config.hpp"
#include "host/core/error.hpp"
#include "host/core/join.hpp"
#include "host/methods/admm/admm_method.hpp"
#include "host/methods/backprop/backprop_method.hpp"

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

struct Registered {
  const char* name;
  MethodPointer (*make)(const MethodConfig&, const ExchangeConfig&);
};
// A line per method.
constexpr Registered kMethods[] = {
    {"pdadmm-g", make_admm},
    {"gd", make_backprop<Optimizer::gd>},
    {"adadelta", make_backprop<Optimizer::adadelta>},
    {"adagrad", make_backprop<Optimizer::adagrad>},
    {"adam", make_backprop<Optimizer::adam>},
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

MethodPointer make_method(const Config& config) { return make_method(config.method, config.exchange); }

std::vector<MethodPointer> all_methods() {
  std::vector<MethodPointer> all;
  for (const std::string& name : method_names()) {
    MethodConfig method;
    method.name = name;
    all.push_back(make_method(method));
  }
  return all;
}

void resolve_method(Config& config, const ProblemShape& shape, std::string* why) {
  make_method(config)->resolve(config.method, config.model, shape, why);
}

InputKind resolve_problem(Config& config, const ProblemShape& shape, std::vector<std::string>* notes) {
  std::string why;
  const auto note = [&] {
    if (notes != nullptr && !why.empty()) notes->push_back(why);
    why.clear();
  };
  resolve_method(config, shape, &why);
  note();
  std::int64_t epochs = 0;
  for (const StageConfig& stage : config.stages) epochs += stage.epochs;
  const InputKind kind = make_method(config)->choose_input(shape, config.model.width, epochs, &why);
  note();
  return kind;
}

StageSpec make_stage_spec(const Config& config, const TrainingShape& shape, int layers, int devices) {
  return make_stage_spec(config, make_method(config), shape, layers, devices);
}

}  // namespace gamlp
