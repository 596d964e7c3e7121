// What the methods have in common whose replicas train by steps of their own (local_program.hpp).
#pragma once

#include <memory>

#include "host/methods/gradient/gradient_method.hpp"
#include "host/methods/local/local_config.hpp"

namespace gamlp {

class LocalMethod : public GradientMethod, public std::enable_shared_from_this<LocalMethod> {
 public:
  void resolve(MethodConfig& method, const ModelConfig& model, const ProblemShape& shape,
               std::string* why) const override;
  std::string text() const override;
  std::vector<std::pair<std::string, std::string>> summary() const override;
  nlohmann::ordered_json report() const override;

  bool replicates() const override { return true; }
  std::int64_t nodes_per_epoch(const StageSpec& spec) const override;
  std::int64_t period(const StageSpec& spec) const override;
  // Messages between replicas are the same in all periods.
  std::shared_ptr<const Method> frozen_at(std::int64_t, std::int64_t) const override { return shared_from_this(); }
  // The risk is that of all nodes; replica_risks has the mean loss of the nodes that a replica has had in the epoch,
  // times the number of all.
  TrainingFigures figures(const StageSpec& spec, const std::vector<double>& scalars, std::int64_t epoch) const override;
  // Each of another number of replicas begins with the mean of those that there were.
  std::optional<FittedState> fitted_state(const TrainingState& state, const StageSpec& spec) const override;
  std::vector<Calibration> calibrations(bool) const override { return {}; }

 protected:
  // `inner` and `tau`: where the config leaves them open. `scalars`: as GradientMethod's.
  LocalMethod(const std::string& name, const LocalMethodConfig& config, Optimizer inner, std::int64_t tau, int scalars);

  // Writes the keys that the method has beside those of LocalMethodConfig.
  virtual void write_own(MethodConfig&) const {}
  // What replicas exchange, for a person: "the mean of weights".
  virtual std::string exchange_text() const = 0;
  // Steps after which the exchanges come again. Resolved.
  virtual std::int64_t period_steps(const StageSpec&) const { return *local_.tau; }
  // The tensors of the state, but for their layers, of which all replicas together have one.
  virtual std::vector<std::string> common_tensors() const { return {}; }

  const LocalConfig& local() const { return local_; }
  // The base part of a config of the method, with resolved values.
  template <class T>
  T with_base(T own) const {
    static_cast<GradientConfig&>(own) = config();
    own.local = local_;
    return own;
  }
  ReplicaData data() const override { return local_.data; }
  std::optional<std::int64_t> default_batch(const ProblemShape& shape) const override;

 private:
  LocalConfig local_;
  std::int64_t tau_;
};

}  // namespace gamlp
