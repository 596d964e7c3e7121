// A training method, and everything that the rest of the program asks of one. Each method is a folder with one class
// that derives from this. host/methods/registry.cpp has a line for it, and nothing else names it.
//
// An object holds the constants of one config. Before resolve() some of them may still be null: the program chooses
// them. A function that needs them all says "resolved". An object never changes, so stages, devices and forecasts may
// share one.
#pragma once

#include <cmath>
#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "host/config/exchange.hpp"
#include "host/config/method.hpp"
#include "host/methods/common/input.hpp"
#include "host/methods/common/settings.hpp"
#include "host/methods/common/stage_program.hpp"

namespace gamlp {

struct Config;  // host/config/config.hpp
struct ModelConfig;

// One message of an iteration over a boundary. A boundary lies between layer l, below, and layer l + 1, above, when two
// devices own them.
struct BoundaryMessage {
  std::string name;  // of the tensor, as traces and metrics call it
  bool up = true;    // from layer l to layer l + 1
  int bits = 32;     // of a value
  std::int64_t bytes = 0;
};
// Bytes over one boundary, by direction.
struct BoundaryBytes {
  std::int64_t up = 0, down = 0;
};
BoundaryBytes sum_of(const std::vector<BoundaryMessage>& messages);

// What a method computes from the scalars of an epoch.
struct TrainingFigures {
  double objective = 0;          // what the method minimises
  double residual = 0;           // how far coupled variables are apart; NaN where the method has none
  double relative_residual = 0;  // residual / the size of those variables; NaN likewise
  double dual_residual = NAN;    // how far they moved, relative likewise; where a stop rule needs it
  double risk = 0;               // Σ over training nodes of the cross-entropy
  // Of several replicas: the risk of each, and how many exchanges each has led, where exchanges have leaders.
  std::vector<double> replica_risks;
  std::vector<std::int64_t> leads;
};

// Settings that `gamlp bench --machine` measures. Together their iterations contain every op whose time a forecast of
// the method must know.
struct Calibration {
  // At which sizes to measure: at all of them, at a few large ones, or at one, as a ratio to a setting of all sizes.
  enum class Sizes { all, large, one };
  Sizes sizes = Sizes::all;
  MethodConfig method;
  ExchangeConfig exchange;
};

// A training state that was made to fit another stage, and a sentence on what that changes; "": nothing.
struct FittedState {
  TrainingState state;
  std::string note;
};

class Method {
 public:
  virtual ~Method() = default;

  // ---- config ----
  // The keys of section `method` that this method reads, beside those of MethodConfig.
  virtual std::vector<std::string> keys() const = 0;
  // Keys of other methods that a config may well hold too, for instance one that compares methods. The program does not
  // warn that they have no effect.
  virtual std::vector<std::string> ignored_keys() const { return {}; }
  // Keys of the config (`method.optimizer.learning_rate`) whose value may change when a run goes on.
  virtual std::vector<std::string> changeable_keys() const { return {}; }
  // Returns one line per contradiction between its keys and the others, which names the keys. Need not be resolved.
  virtual std::vector<std::string> problems(const Config& config) const = 0;
  // Returns a line for each setting that is allowed but known to go wrong, or to have no effect. Most useful on a
  // resolved config.
  virtual std::vector<std::string> warnings(const Config& config) const = 0;
  // Replaces every null of `method` that this method uses by the value used. `why` (optional) receives a sentence on
  // what was chosen. Throws ConfigError when values contradict each other.
  virtual void resolve(MethodConfig& method, const ModelConfig& model, const ProblemShape& shape,
                       std::string* why) const = 0;
  // The constants in one line, for a person. Resolved.
  virtual std::string text() const = 0;
  // Label and text of each line that `gamlp info` shows. Need not be resolved.
  virtual std::vector<std::pair<std::string, std::string>> summary() const = 0;
  // A JSON object: what reports say of the method beside its name. Resolved.
  virtual nlohmann::ordered_json report() const = 0;

  // Whether its programs look at the scalars of an epoch (StageProgram::observe()).
  virtual bool observes() const { return false; }

  // ---- placement and sizes; resolved ----
  // The coordinates in which layer 1 trains best for `epochs` epochs. `why` (optional) receives the reason where there
  // is one.
  virtual InputKind choose_input(const ProblemShape& shape, std::int64_t width, std::int64_t epochs,
                                 std::string* why) const = 0;
  // Whether results depend on the number of shards, each of which is a worker. Then every device is one, unless the
  // config says otherwise.
  virtual bool shards_are_workers() const { return false; }
  // Whether replicas of the network train side by side, with weights of their own. Then there are as many as the
  // devices allow, unless the config says otherwise, and results depend on their number.
  virtual bool replicates() const { return false; }
  // How many steps of an optimiser an epoch has.
  virtual std::int64_t steps_per_epoch(const StageSpec&) const { return 1; }
  // How many training nodes pass through the networks of all replicas in an epoch.
  virtual std::int64_t nodes_per_epoch(const StageSpec& spec) const { return spec.nodes; }
  // Into how many blocks the training nodes are divided, of which shards consist (StageSpec::blocks).
  virtual int blocks(std::int64_t nodes) const = 0;
  // What they are, and what decides how many, for messages.
  virtual std::string blocks_text(std::int64_t nodes) const = 0;
  // The most values, for each node of a block, that one op of the program has views of in tensors of nodes. Staging
  // memory (host/device/staging.hpp) is sized by it. widths: inputs, hidden …, classes.
  virtual std::int64_t values_of_op(const std::vector<std::int64_t>& widths) const = 0;
  // Relative cost of one iteration of each layer, in flops: product_flops(), and moved_floats() at kFloatFlops each
  // (partition.hpp), because the elementwise passes take the time of their memory traffic. widths: inputs, hidden …,
  // classes.
  std::vector<double> layer_costs(const std::vector<std::int64_t>& widths, std::int64_t nodes, InputKind input) const;
  // Flops of the products and factorisations of one iteration of a layer of n inputs and m outputs.
  virtual double product_flops(std::int64_t n, std::int64_t m, std::int64_t nodes, bool first,
                               InputKind input) const = 0;
  // Floats of memory that the elementwise passes of one iteration of such a layer move.
  virtual double moved_floats(std::int64_t n, std::int64_t m, std::int64_t nodes) const = 0;
  // What a plan says of memory that depends on how a stage is placed: "9 of 16 micro-batches in flight". "" for
  // nothing.
  virtual std::string in_flight_text(const StageSpec&) const { return ""; }
  // The messages that cross each boundary between hidden layers of `width` neurons in `epoch` (0-based) of a stage, of
  // all shards, in the order of sending. messages_at_start() has those that cross it when a stage starts.
  virtual std::vector<BoundaryMessage> messages(std::int64_t nodes, std::int64_t width, std::int64_t epoch) const = 0;
  virtual std::vector<BoundaryMessage> messages_at_start(std::int64_t nodes, std::int64_t width) const = 0;
  // The epochs of a stage, 0 first, at which messages begin to have other sizes.
  // `epochs`: of the stage.
  virtual std::vector<std::int64_t> message_changes(std::int64_t /*epochs*/) const { return {0}; }
  // After so many epochs the messages of an epoch come again, where epochs are not all alike.
  virtual std::int64_t period(const StageSpec&) const { return 1; }
  // Returns the same method, which in every epoch sends the messages of `epoch` of a stage of `epochs` epochs. Its
  // buffers stay as large as the messages of all epochs need.
  virtual std::shared_ptr<const Method> frozen_at(std::int64_t epoch, std::int64_t epochs) const = 0;
  // The same method where workers exchange float32 values in every epoch. Null: they do so anyway.
  virtual std::shared_ptr<const Method> uncompressed() const { return nullptr; }
  // The kind of device memory that holds nearly all of what a checkpoint saves.
  virtual MemoryKind saved_memory() const = 0;

  // ---- scalars; resolved ----
  int scalars() const { return scalars_; }  // doubles per layer
  // Whether TrainingFigures has residuals. Else `train.stop.residual` ends no stage of this method.
  virtual bool has_residual() const { return true; }
  // Computes the figures from the scalars of all layers of a stage, of every replica. Messages name `epoch`, which is
  // that of the run. Throws DivergenceError where a scalar is not finite. The error names what it belongs to.
  virtual TrainingFigures figures(const StageSpec& spec, const std::vector<double>& scalars,
                                  std::int64_t epoch) const = 0;

  // ---- devices; resolved ----
  // Allocates layer 1's input on device `rank`, and memory for what this method computes from it once per run. `spec`:
  // of the first stage that has it; later ones have the same shards.
  virtual std::unique_ptr<DeviceInput> create_input(const DeviceContext& context, const StageSpec& spec, int rank,
                                                    const InputShape& shape) const = 0;
  // Allocates the share of device `rank` in a stage. `input` is null but on the devices of layer 1.
  virtual std::unique_ptr<StageProgram> create_program(const DeviceContext& context, const StageSpec& spec, int rank,
                                                       DeviceInput* input) const = 0;

  // Returns a state that fits this stage, where the one that was saved, whole, is that of another number of shards and
  // the method's state depends on it. Else nothing.
  virtual std::optional<FittedState> fitted_state(const TrainingState&, const StageSpec&) const { return {}; }

  // ---- forecasts ----
  // Configs with values that need less memory, each with the text of what was set: "method.update=gradient".
  virtual std::vector<std::pair<std::string, Config>> lighter(const Config& config) const;
  virtual std::vector<Calibration> calibrations(bool quick) const = 0;

 protected:
  explicit Method(int scalars) : scalars_(scalars) {}

 private:
  int scalars_;
};

}  // namespace gamlp
