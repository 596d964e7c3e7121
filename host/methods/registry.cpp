#include "host/methods/registry.hpp"

#include "host/core/error.hpp"
#include "host/methods/admm/admm_method.hpp"
#include "host/methods/backprop/backprop_method.hpp"

namespace gamlp {
namespace {

using MethodPointer = std::shared_ptr<const Method>;

MethodPointer make_admm(const MethodConfig& method, const ExchangeConfig& exchange) {
  return std::make_shared<AdmmMethod>(method, exchange);
}
MethodPointer make_backprop(const MethodConfig& method, const ExchangeConfig&) {
  return std::make_shared<BackpropMethod>(method);
}

struct Registered {
  MethodName name;
  MethodPointer (*make)(const MethodConfig&, const ExchangeConfig&);
};
// A line per method.
constexpr Registered kMethods[] = {
    {MethodName::pdadmm_g, make_admm},    {MethodName::gd, make_backprop},   {MethodName::adadelta, make_backprop},
    {MethodName::adagrad, make_backprop}, {MethodName::adam, make_backprop},
};

}  // namespace

MethodPointer make_method(const MethodConfig& method, const ExchangeConfig& exchange) {
  for (const Registered& one : kMethods) {
    if (one.name == method.name) return one.make(method, exchange);
  }
  throw std::logic_error("a method that is not registered");
}

std::vector<MethodPointer> all_methods() {
  std::vector<MethodPointer> all;
  for (const Registered& one : kMethods) {
    MethodConfig method;
    method.name = one.name;
    all.push_back(one.make(method, {}));
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
