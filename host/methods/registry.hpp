// The methods that this program has, and the functions that ask the method of a config. Only registry.cpp names the
// methods (method.hpp).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "host/methods/common/method.hpp"

namespace gamlp {

// Names, in the order in which registry.cpp lists them.
std::vector<std::string> method_names();
// Returns the method of a config. Throws ConfigError where no method has the name `method.name`. Methods that code what
// they exchange read `exchange`.
std::shared_ptr<const Method> make_method(const MethodConfig& method, const ExchangeConfig& exchange = {});
std::shared_ptr<const Method> make_method(const Config& config);
// Returns one object of every method, with its default constants, in the order of method_names().
std::vector<std::shared_ptr<const Method>> all_methods();

// Calls the method's resolve() (method.hpp): every null of `config.method` that the method uses becomes the value used.
// `why` (optional) receives a sentence on what was chosen. Throws ConfigError when the values contradict each other.
void resolve_method(Config& config, const ProblemShape& shape, std::string* why = nullptr);
// Resolves the method, and returns the coordinates that it chooses for layer 1, for the epochs of all stages together.
// `notes` (optional) receives a sentence on each automatic choice.
InputKind resolve_problem(Config& config, const ProblemShape& shape, std::vector<std::string>* notes = nullptr);

// As in stage_program.hpp, with the method of `config`, which is resolved.
StageSpec make_stage_spec(const Config& config, const TrainingShape& shape, int layers, int devices);

}  // namespace gamlp
