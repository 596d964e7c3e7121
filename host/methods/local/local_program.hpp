// Replicas of a network that train side by side, as a program over the seam. Each makes steps of its own optimiser on
// mini-batches of its own (mini_batches.hpp). After every τ steps the replicas exchange weights: what they make of each
// other's is a method's (exchange()).
//
// A replica may be a run of devices, each with some layers, and may have several shards of its mini-batches. Devices of
// the same layers and shard exchange with each other, all layers of a device in one row.
#pragma once

#include "host/methods/gradient/gradient_program.hpp"
#include "host/methods/local/local_config.hpp"

namespace gamlp {

class LocalProgram : public GradientProgram {
 public:
  void enqueue_start() override;

 protected:
  // `config`: resolved.
  LocalProgram(const DeviceContext& context, const StageSpec& spec, int rank, DeviceInput* input,
               const OptimizerRule& rule, const LocalMethodConfig& config, std::int64_t unit,
               bool losses_of_all = false);

  // Every τ steps, of which `step` is the last. Steps count from 0 in a stage.
  virtual void exchange(std::int64_t epoch, std::int64_t step) = 0;
  // After every step, before the exchange.
  virtual void after_step(std::int64_t /*epoch*/) {}
  // The device needs it at the start of a stage, and after a restore.
  virtual void enqueue_constants() {}

  bool exchanges_after(std::int64_t step) const { return (step + 1) % tau_ == 0; }
  std::int64_t tau() const { return tau_; }
  const RankGroup& replicas() const { return replicas_; }
  // A row that nobody uses between two steps.
  Mat scratch() const { return gradient_row(); }
  // A row as those of the weights.
  Mat allocate_row(Buffer& memory, const char* what, MemoryKind kind);
  // Adds a row to the state: "what3" has what belongs to layer 3. `common`: all replicas have the same.
  void add_row_entries(std::vector<Entry>& list, const std::string& name, Mat values, bool common) const;
  void restored(const TrainingState& state) override;

 private:
  void update(std::int64_t epoch, std::int64_t step) override;

  std::int64_t tau_;
  RankGroup replicas_;
};

}  // namespace gamlp
