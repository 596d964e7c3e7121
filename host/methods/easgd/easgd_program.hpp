// Elastic averaging SGD (Zhang, Choromanska, LeCun, NeurIPS 2015): replicas and a centre c, which all of them hold,
// pull each other. After every τ steps, with n replicas of weights x_i,
//   x_i ← x_i + (β/n)(c − x_i),   c ← c + β (mean of the x_i before − c)
#pragma once

#include "host/methods/easgd/easgd_config.hpp"
#include "host/methods/local/averaging_program.hpp"

namespace gamlp {

class EasgdProgram final : public AveragingProgram {
 public:
  EasgdProgram(const DeviceContext& context, const StageSpec& spec, int rank, DeviceInput* input,
               const OptimizerRule& rule, const EasgdConfig& config);

  void enqueue_start() override;

 private:
  void exchange(std::int64_t epoch, std::int64_t step) override;
  std::vector<Entry> entries() const override;

  float beta_;
  Buffer centre_memory_;
  Mat centre_;
};

}  // namespace gamlp
