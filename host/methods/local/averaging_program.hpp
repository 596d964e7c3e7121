// Replicas that make one row of the rows of all: the mean, by CompressedMean.
#pragma once

#include "host/methods/gradient/compressed_mean.hpp"
#include "host/methods/local/local_program.hpp"

namespace gamlp {

class AveragingProgram : public LocalProgram {
 protected:
  // `each`: so many replicas make their mean in float32 first (CompressedMean).
  AveragingProgram(const DeviceContext& context, const StageSpec& spec, int rank, DeviceInput* input,
                   const OptimizerRule& rule, const LocalMethodConfig& config,
                   const CompressedMean::Coding& coding = {}, int each = 1);

  void enqueue_start() override;
  void enqueue_constants() override { mean_.enqueue_table(); }
  std::vector<Entry> entries() const override;

  // out ← the mean of the replicas' weights.
  void average(Mat out, std::int64_t epoch);
  // out ← the mean over the replicas of anchor − weights. All have the same anchor.
  void average_change(ConstMat anchor, Mat out, std::int64_t epoch);

 private:
  CompressedMean mean_;
};

}  // namespace gamlp
