// The methods that this program has, and what follows from a config with the help of its method.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "host/methods/common/method.hpp"

namespace gamlp {

// In the order in which they are registered.
std::vector<std::string> method_names();
// The method of a config. Throws ConfigError where `method.name` is none of them. `exchange` is for those that code
// what they exchange.
std::shared_ptr<const Method> make_method(const MethodConfig& method, const ExchangeConfig& exchange = {});
inline std::shared_ptr<const Method> make_method(const Config& config) {
  return make_method(config.method, config.exchange);
}
// One of every method, with the constants that it has by default; in the same order.
std::vector<std::shared_ptr<const Method>> all_methods();

// Replaces every null of `config.method` that its method uses by the value used. `why` (optional) receives a sentence
// on what was chosen. Throws ConfigError when the values contradict each other.
void resolve_method(Config& config, const ProblemShape& shape, std::string* why = nullptr);
// Resolves the method, and chooses layer 1's coordinates for all epochs of the config. `notes` (optional) receives a
// sentence on each automatic choice.
InputKind resolve_problem(Config& config, const ProblemShape& shape, std::vector<std::string>* notes = nullptr);

// A stage of a resolved config, by its method (stage_program.hpp).
StageSpec make_stage_spec(const Config& config, const TrainingShape& shape, int layers, int devices);

}  // namespace gamlp
