// What the methods have in common that follow gradients: their optimiser, the passes through the network
// (gradient_program.hpp), their costs and messages.
#pragma once

#include <functional>

#include "host/math/optimizer.hpp"
#include "host/methods/common/method.hpp"
#include "host/methods/gradient/gradient_config.hpp"
#include "host/methods/gradient/mini_batches.hpp"

namespace gamlp {

class GradientMethod : public Method {
 public:
  std::vector<std::string> ignored_keys() const override;
  std::vector<std::string> changeable_keys() const override {
    // Another number of workers may need other micro-batches, and changes bits anyway.
    std::vector<std::string> keys = {"method.optimizer.learning_rate", "method.optimizer.schedule"};
    if (shards_are_workers()) keys.push_back("method.microbatches");
    return keys;
  }
  std::vector<std::string> problems(const Config& config) const override;
  std::vector<std::string> warnings(const Config& config) const override;
  void resolve(MethodConfig& method, const ModelConfig& model, const ProblemShape& shape,
               std::string* why) const override;
  std::string text() const override;
  std::vector<std::pair<std::string, std::string>> summary() const override;
  nlohmann::ordered_json report() const override;

  // Only gradient descent takes QR, also with momentum. Optimisers that scale each weight by itself train otherwise in
  // other coordinates.
  InputKind choose_input(const ProblemShape& shape, std::int64_t width, std::int64_t epochs,
                         std::string* why) const override;
  std::int64_t steps_per_epoch(const StageSpec& spec) const override;
  // A micro-batch each.
  int blocks(std::int64_t nodes) const override;
  std::string blocks_text(std::int64_t nodes) const override;
  std::string in_flight_text(const StageSpec& spec) const override;
  std::int64_t values_of_op(const std::vector<std::int64_t>& widths) const override;
  double moved_floats(std::int64_t n, std::int64_t m, std::int64_t nodes) const override;
  double product_flops(std::int64_t n, std::int64_t m, std::int64_t nodes, bool first, InputKind input) const override;
  // Activations go up, gradients go down, both in float32.
  std::vector<BoundaryMessage> messages(std::int64_t nodes, std::int64_t width, std::int64_t epoch) const override;
  std::vector<BoundaryMessage> messages_at_start(std::int64_t nodes, std::int64_t width) const override;
  MemoryKind saved_memory() const override { return MemoryKind::weights; }

  // The objective is the risk.
  bool has_residual() const override { return false; }
  TrainingFigures figures(const StageSpec& spec, const std::vector<double>& scalars, std::int64_t epoch) const override;

  std::unique_ptr<DeviceInput> create_input(const DeviceContext& context, const StageSpec& spec, int rank,
                                            const InputShape& shape) const override;

 protected:
  // `name` is the name that the config has for the method. `scalars`: of a layer; the first are GradientProgram's.
  GradientMethod(std::string name, Optimizer optimizer, const GradientConfig& config, int scalars);
  GradientMethod(std::string name, Optimizer optimizer, const GradientConfig& config);

  OptimizerRule rule() const;  // resolved
  // How replicas share the training nodes, and how many nodes a step has where the config leaves it open; null: all.
  virtual ReplicaData data() const { return ReplicaData::replicated; }
  virtual std::optional<std::int64_t> default_batch(const ProblemShape&) const { return std::nullopt; }
  // What is wrong with a warm-up of `warmup` epochs, key `key` of section `method`: the first stage of this method that
  // has no epoch after it. `same`: whether a stage of a method of this name has the same warm-up. "": nothing.
  std::string warmup_problem(const Config& config, const std::string& key, std::int64_t warmup,
                             const std::function<bool(const MethodConfig&)>& same) const;
  const std::string& name() const { return name_; }
  Optimizer optimizer() const { return optimizer_; }
  const GradientConfig& config() const { return config_; }

 private:
  std::string name_;
  Optimizer optimizer_;
  GradientConfig config_;
};

}  // namespace gamlp
