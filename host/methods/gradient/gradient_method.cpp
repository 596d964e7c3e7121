#include "host/methods/gradient/gradient_method.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "host/config/config.hpp"
#include "host/core/error.hpp"
#include "host/core/number_text.hpp"
#include "host/methods/gradient/gradient_program.hpp"

namespace gamlp {
namespace {

// A worker moves about so many floats per value and iteration, and per weight.
constexpr double kBackpropFloats = 12.0, kDropoutFloats = 4.0, kWeightFloats = 7.0;

}  // namespace

GradientMethod::GradientMethod(std::string name, Optimizer optimizer, const GradientConfig& config, int scalars)
    : Method(scalars), name_(std::move(name)), optimizer_(optimizer), config_(config) {}

GradientMethod::GradientMethod(std::string name, Optimizer optimizer, const GradientConfig& config)
    : GradientMethod(std::move(name), optimizer, config, GradientProgram::kScalars) {}

std::vector<std::string> GradientMethod::ignored_keys() const {
  return {"update",
          "nu",
          "rho",
          "exact",
          "weight_decay",
          "weight_decay_first",
          "weight_decay_layers",
          "squeeze",
          "powersgd",
          "top_k",
          "local",
          "lsgd",
          "easgd",
          "slowmo",
          "diloco"};
}

std::vector<std::string> GradientMethod::problems(const Config&) const {
  std::vector<std::string> out;
  if (config_.optimizer.decoupled_weight_decay && optimizer_ != Optimizer::adam) {
    out.push_back("`method.optimizer.decoupled_weight_decay` is true with `method.name` \"" + name_ +
                  "\": must be false, only \"adam\" has it (as AdamW)");
  }
  return out;
}

std::vector<std::string> GradientMethod::warnings(const Config& config) const {
  const nlohmann::json& options = config.method.options.json();
  const auto given = [&](const char* key) {
    const auto at = options.find(key);
    return at != options.end() && !at->is_null() && *at != 0.0;
  };
  if (!given("weight_decay") && !given("weight_decay_first") && !given("weight_decay_layers")) return {};
  return {"`method.weight_decay`, `weight_decay_first` and `weight_decay_layers` have no effect with `method.name` \"" +
          name_ + "\": its own is `method.optimizer.weight_decay`"};
}

std::string GradientMethod::warmup_problem(const Config& config, const std::string& key, std::int64_t warmup,
                                           const std::function<bool(const MethodConfig&)>& same) const {
  for (std::size_t stage = 0; stage < config.stages.size(); ++stage) {
    const StageConfig& one = config.stages[stage];
    const MethodConfig& method = one.method ? *one.method : config.method;
    if (method.name != name_ || !same(method) || warmup < one.epochs) continue;
    return "`method." + key + "` is " + std::to_string(warmup) + ": must be less than the " +
           std::to_string(one.epochs) + " epochs of stage " + std::to_string(stage + 1) + ", or nothing is compressed";
  }
  return "";
}

// PyTorch's defaults.
void GradientMethod::resolve(MethodConfig& method, const ModelConfig&, const ProblemShape& shape,
                             std::string* why) const {
  GradientConfig m = config_;
  const bool adadelta = optimizer_ == Optimizer::adadelta, adagrad = optimizer_ == Optimizer::adagrad;
  OptimizerConfig& o = m.optimizer;
  if (!o.learning_rate) o.learning_rate = adadelta ? 1.0 : adagrad ? 1e-2 : 1e-3;
  if (!o.eps) o.eps = adadelta ? 1e-6 : adagrad ? 1e-10 : 1e-8;
  if (!m.batch) m.batch = default_batch(shape);
  // Enough rows for a product to run at full speed; of few nodes the whole batch at once.
  std::string raised;
  if (!m.microbatches) {
    const std::int64_t nodes = std::min(m.batch.value_or(shape.train_nodes), shape.train_nodes);
    const std::int64_t own = std::clamp<std::int64_t>(nodes / 1024, 1, 16);
    m.microbatches = std::max(own, shape.shards);
    if (own < shape.shards) {
      raised = "; " + std::to_string(shape.shards) + " micro-batches, one for each shard";
      if (!shards_are_workers()) {
        raised += ": one device gives the same bits with `method.microbatches` " + std::to_string(shape.shards);
      }
    }
  }
  // Of at least 4 nodes each (StageSpec::block_nodes()).
  m.microbatches = std::clamp<std::int64_t>(*m.microbatches, 1, std::max<std::int64_t>((shape.train_nodes + 3) / 4, 1));
  // Every step takes some of each micro-batch.
  const Parts blocks = Parts::even(shape.train_nodes, static_cast<int>(*m.microbatches), 4);
  const std::int64_t takers = data() == ReplicaData::replicated ? 1 : shape.replicas;
  const std::int64_t fewest = blocks.size(blocks.count() - 1),
                     steps = takers * batch_steps(shape.train_nodes, m.batch, static_cast<int>(shape.replicas), data());
  if (steps > std::max<std::int64_t>(fewest, 1)) {
    throw ConfigError("`method.batch` is " + (m.batch ? std::to_string(*m.batch) : "null") + ": must be at least " +
                      std::to_string((shape.train_nodes + fewest - 1) / fewest) + ", of " + grouped(shape.train_nodes) +
                      " training nodes in " + std::to_string(*m.microbatches) +
                      " micro-batches (`method.microbatches`): each step" + (takers > 1 ? " of each replica" : "") +
                      " takes nodes of each");
  }
  set_options(method, m);
  if (why)
    *why = "backpropagation: layers exchange float32, `exchange` and the constants of ADMM have no effect" + raised;
}

std::string GradientMethod::text() const {
  const OptimizerConfig& o = config_.optimizer;
  std::string text = name_ + ", learning rate " + short_number(*o.learning_rate);
  if (o.schedule.kind != ScheduleKind::constant) text += " (" + std::string(name_of(o.schedule.kind)) + ")";
  if (config_.dropout > 0.0 || config_.input_dropout > 0.0) {
    text += ", dropout " + short_number(config_.input_dropout) + "/" + short_number(config_.dropout);
  }
  if (config_.batch) text += ", steps of " + grouped(*config_.batch) + " nodes";
  return *config_.microbatches > 1 ? text + ", " + std::to_string(*config_.microbatches) + " micro-batches" : text;
}

std::vector<std::pair<std::string, std::string>> GradientMethod::summary() const {
  const auto& rate = config_.optimizer.learning_rate;
  return {{"method", name_ + ", learning rate " + (rate ? short_number(*rate) : "auto")},
          {"exchange", "activations and their gradients between layers: float32"}};
}

nlohmann::ordered_json GradientMethod::report() const { return nlohmann::ordered_json::object(); }

InputKind GradientMethod::choose_input(const ProblemShape& shape, std::int64_t width, std::int64_t epochs,
                                       std::string* why) const {
  // The others take each coordinate by itself, and so does dropout, which means the inputs as they are.
  const bool turns = (optimizer_ == Optimizer::gd || optimizer_ == Optimizer::nesterov) && config_.input_dropout == 0.0;
  return turns ? plain_or_qr(shape, width, epochs, why) : InputKind::plain;
}

std::int64_t GradientMethod::steps_per_epoch(const StageSpec& spec) const {
  return batch_steps(spec.nodes, config_.batch, spec.placement.replicas, data());
}

std::string GradientMethod::blocks_text(std::int64_t nodes) const {
  return "the micro-batches of " + grouped(nodes) + " training nodes (`method.microbatches`, of at least 4 nodes each)";
}

int GradientMethod::blocks(std::int64_t nodes) const {
  const std::int64_t most = std::max<std::int64_t>((nodes + 3) / 4, 1);
  return static_cast<int>(std::min(*config_.microbatches, most));
}

double GradientMethod::moved_floats(std::int64_t n, std::int64_t m, std::int64_t nodes) const {
  const double outputs = static_cast<double>(m);
  const double floats = kBackpropFloats + (config_.dropout > 0.0 ? kDropoutFloats : 0.0);
  return floats * static_cast<double>(nodes) * outputs +
         kWeightFloats * batch_steps(nodes, config_.batch) * outputs * static_cast<double>(n);
}

std::string GradientMethod::in_flight_text(const StageSpec& spec) const {
  const int parts = static_cast<int>(spec.shard_blocks().size(0));
  const int slots = std::min(parts, GradientProgram::slots_of(static_cast<int>(spec.placement.ranges.size())));
  return "a device has memory for the activations of " + std::to_string(slots) + " of its " + std::to_string(parts) +
         " micro-batches";
}

// The inputs of layer 1: of other tensors only a few parts are there at the same time.
std::int64_t GradientMethod::values_of_op(const std::vector<std::int64_t>& widths) const { return widths[0]; }

// Layer 1 needs no gradient of its inputs.
double GradientMethod::product_flops(std::int64_t n, std::int64_t m, std::int64_t nodes, bool first, InputKind) const {
  return (first ? 2.0 : 3.0) * 2.0 * static_cast<double>(n) * static_cast<double>(m) * static_cast<double>(nodes);
}

std::vector<BoundaryMessage> GradientMethod::messages(std::int64_t nodes, std::int64_t width, std::int64_t) const {
  const auto bytes = nodes * width * static_cast<std::int64_t>(sizeof(float));
  return {{"activations", true, 32, bytes}, {"gradients", false, 32, bytes}};
}

std::vector<BoundaryMessage> GradientMethod::messages_at_start(std::int64_t, std::int64_t) const { return {}; }

TrainingFigures GradientMethod::figures(const StageSpec& spec, const std::vector<double>& scalars,
                                        std::int64_t epoch) const {
  TrainingFigures figures;
  const auto last = static_cast<std::size_t>(spec.layers() - 1) * static_cast<std::size_t>(spec.method->scalars());
  figures.risk = figures.objective = scalars[last + GradientProgram::kLoss];
  figures.residual = figures.relative_residual = std::nan("");
  if (std::isfinite(figures.risk)) return figures;
  throw DivergenceError("training diverged at epoch " + std::to_string(epoch) +
                        ": the loss is not finite; try a smaller method.optimizer.learning_rate, or features on one "
                        "scale (dataset.standardize)");
}

std::unique_ptr<DeviceInput> GradientMethod::create_input(const DeviceContext& context, const StageSpec&, int,
                                                          const InputShape& shape) const {
  return std::make_unique<DeviceInput>(context, shape);
}

OptimizerRule GradientMethod::rule() const {
  const OptimizerConfig& o = config_.optimizer;
  OptimizerRule rule{optimizer_, *o.learning_rate, o.beta1, o.beta2, *o.eps, o.weight_decay, o.decoupled_weight_decay};
  if (optimizer_ == Optimizer::adadelta) rule.beta1 = rule.beta2 = o.rho;
  if (optimizer_ == Optimizer::nesterov) rule.beta1 = o.momentum;
  return rule;
}

}  // namespace gamlp
