// Local SGD (Stich, ICLR 2019): after every τ steps all replicas take the mean of their weights. What their optimisers
// keep stays their own.
#pragma once

#include "host/methods/local/averaging_program.hpp"

namespace gamlp {

class LocalSgdProgram final : public AveragingProgram {
 public:
  LocalSgdProgram(const DeviceContext& context, const StageSpec& spec, int rank, DeviceInput* input,
                  const OptimizerRule& rule, const LocalMethodConfig& config)
      : AveragingProgram(context, spec, rank, input, rule, config) {}

 private:
  void exchange(std::int64_t epoch, std::int64_t) override { average(weights(), epoch); }
};

}  // namespace gamlp
