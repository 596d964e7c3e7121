// A training method: everything that the rest of the program asks of one. Each method is a folder with one class that
// derives from this; host/methods/registry.cpp has a line for it, and nothing else names it.
//
// An object holds the constants of one config. Before resolve() some may still be "chosen by the program"; what needs
// them says "resolved". Objects never change afterwards, so that stages, devices and forecasts may share one.
#pragma once

#include <cmath>
#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <utility>
#include <vector>

#include "host/config/config.hpp"
#include "host/methods/common/input.hpp"
#include "host/methods/common/settings.hpp"
#include "host/methods/common/stage_program.hpp"

namespace gamlp {

// One message of an iteration over a boundary: between layer l, below, and layer l + 1, above, on two devices.
struct BoundaryMessage {
  std::string name;  // of the tensor, as traces and metrics call it
  bool up = true;    // from layer l to layer l + 1
  int bits = 32;     // of a value
  std::int64_t bytes = 0;
};
struct BoundaryBytes {
  std::int64_t up = 0, down = 0;
};
BoundaryBytes sum_of(const std::vector<BoundaryMessage>& messages);

// What the scalars of an epoch come to.
struct TrainingFigures {
  double objective = 0;          // what the method minimises
  double residual = 0;           // how far coupled variables are apart; NaN where the method has none
  double relative_residual = 0;  // residual / the size of those variables; NaN likewise
  double dual_residual = NAN;    // how far they moved, relative likewise; where a stop rule needs it
  double risk = 0;               // Σ over training nodes of the cross-entropy
};

// Settings whose iterations contain every op that a forecast of the method must know the time of (gamlp bench
// --machine).
struct Calibration {
  // At which sizes to measure: at all of them, at a few large ones, or at one, as a ratio to a setting of all sizes.
  enum class Sizes { all, large, one };
  Sizes sizes = Sizes::all;
  MethodConfig method;
  ExchangeConfig exchange;
};

class Method {
 public:
  virtual ~Method() = default;

  // ---- config ----
  // The keys of section `method` that this method reads, beside those of MethodConfig.
  virtual std::vector<std::string> keys() const = 0;
  // Keys of other methods that a config may well hold too, as one that compares methods: nobody is warned that they
  // have no effect.
  virtual std::vector<std::string> ignored_keys() const { return {}; }
  // Keys of the config (`method.optimizer.learning_rate`) that a run may go on with another value of.
  virtual std::vector<std::string> changeable_keys() const { return {}; }
  // One line per contradiction between its keys and the others, each naming the keys; need not be resolved.
  virtual std::vector<std::string> problems(const Config& config) const = 0;
  // Settings that are allowed but known to go wrong, or to have no effect. Most useful on a resolved config.
  virtual std::vector<std::string> warnings(const Config& config) const = 0;
  // Replaces every null of `method` that this method uses by the value used. `why` (optional) receives a sentence on
  // what was chosen. Throws ConfigError when values contradict each other.
  virtual void resolve(MethodConfig& method, const ModelConfig& model, const ProblemShape& shape,
                       std::string* why) const = 0;
  // The same in one line, for a person; resolved.
  virtual std::string text() const = 0;
  // Label and text of each line that `gamlp info` shows; need not be resolved.
  virtual std::vector<std::pair<std::string, std::string>> summary() const = 0;
  // What reports say of the method beside its name: an object. Resolved.
  virtual nlohmann::ordered_json report() const = 0;

  // ---- placement and sizes; resolved ----
  // The coordinates in which layer 1 trains best for `epochs` epochs; the reason in `why` (optional) where there is
  // one.
  virtual InputKind choose_input(const ProblemShape& shape, std::int64_t width, std::int64_t epochs,
                                 std::string* why) const = 0;
  // Relative cost of one iteration of each layer, in flops: its products, and its elementwise passes as the flops that
  // their memory traffic takes the time of. widths: inputs, hidden …, classes.
  std::vector<double> layer_costs(const std::vector<std::int64_t>& widths, std::int64_t nodes, InputKind input) const;
  // Flops of the products and factorisations of one iteration of a layer of n inputs and m outputs.
  virtual double product_flops(std::int64_t n, std::int64_t m, std::int64_t nodes, bool first,
                               InputKind input) const = 0;
  // Floats of memory that the elementwise passes of one iteration of such a layer move.
  virtual double moved_floats(std::int64_t n, std::int64_t m, std::int64_t nodes) const = 0;
  // What crosses each boundary between hidden layers of `width` neurons in `epoch` (0-based) of a stage, in the order
  // of sending, and beside it when a stage starts.
  virtual std::vector<BoundaryMessage> messages(std::int64_t nodes, std::int64_t width, std::int64_t epoch) const = 0;
  virtual std::vector<BoundaryMessage> messages_at_start(std::int64_t nodes, std::int64_t width) const = 0;
  // Epochs of a stage, 0 first, from which on messages have other sizes.
  virtual std::vector<std::int64_t> message_changes() const { return {0}; }
  // The same method with the messages of `epoch` in every epoch, and the buffers of all of them.
  virtual std::shared_ptr<const Method> frozen_at(std::int64_t epoch) const = 0;
  // The kind of device memory that a checkpoint saves, as good as all of it.
  virtual MemoryKind saved_memory() const = 0;

  // ---- scalars; resolved ----
  int scalars() const { return scalars_; }  // doubles per layer
  // From the scalars of all layers of a stage. `epoch`: of the run, for messages. Throws DivergenceError where one is
  // not finite, naming what it belongs to.
  virtual TrainingFigures figures(const StageSpec& spec, const std::vector<double>& scalars,
                                  std::int64_t epoch) const = 0;

  // ---- devices; resolved ----
  // Allocates layer 1's input on its device, and what this method computes from it once per run.
  virtual std::unique_ptr<DeviceInput> create_input(Device& device, const InputShape& shape) const = 0;
  // Allocates the share of the device `rank` in a stage; `input` on the first device, and on no other.
  virtual std::unique_ptr<StageProgram> create_program(const DeviceContext& context, const StageSpec& spec, int rank,
                                                       DeviceInput* input) const = 0;

  // ---- forecasts ----
  // The config with values that need less memory, and what was set: "method.update=gradient".
  virtual std::vector<std::pair<std::string, Config>> lighter(const Config&) const { return {}; }
  virtual std::vector<Calibration> calibrations(bool quick) const = 0;

 protected:
  explicit Method(int scalars) : scalars_(scalars) {}

 private:
  int scalars_;
};

}  // namespace gamlp
