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
// The method of stage `stage` (1-based; config.hpp's method_of()).
std::shared_ptr<const Method> make_method(const Config& config, int stage);
// The method of the last stage.
std::shared_ptr<const Method> make_method(const Config& config);
// Returns one object of every method, with its default constants, in the order of method_names().
std::vector<std::shared_ptr<const Method>> all_methods();

// Resolves `config.method` and the methods of the stages: it calls their resolve() (method.hpp), so that every null
// that a method uses becomes the value used. Returns the coordinates in which layer 1 trains in each stage. A stage has
// those that its method chooses, for the epochs of all stages of this method together. Where they would lose some of
// the weights that it may start from, those of the stage before or of train.from, it has plain ones. A run that goes on
// has `begun`, the coordinates of the stages that it has begun: these stages keep them, and later ones of their methods
// have them too, whatever the epochs are now. `notes` (optional) receives a sentence on each automatic choice. Throws
// ConfigError when values contradict each other.
std::vector<InputKind> resolve_problem(Config& config, const ProblemShape& shape,
                                       std::vector<std::string>* notes = nullptr,
                                       const std::vector<InputKind>& begun = {});

// The methods of the stages in one line, for a person. Resolved.
std::string methods_text(const Config& config);

// As in stage_program.hpp, for stage `stage` (1-based) of `config`, which is resolved. `shape` is that of the stage.
StageSpec make_stage_spec(const Config& config, const TrainingShape& shape, int stage, int devices,
                          const std::vector<int>& hosts = {});

}  // namespace gamlp
