// The mean over workers of a row of values that each of them has, compressed on its way (host/math/compress.hpp).
// Every worker sends each other one a part of its row (all-to-all). Whoever serves a part makes the mean of it. Then
// every worker gets the means of all parts (all-gather). With error feedback each worker keeps what the compression of
// its row has lost, and whoever serves a part what that of the mean has: it is added to what is compressed next.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "host/device/collectives.hpp"
#include "host/device/compress_layout.hpp"
#include "host/methods/gradient/layer_row.hpp"

namespace gamlp {

class CompressedMean {
 public:
  // How it is compressed.
  struct Coding {
    int bits = 32;
    std::int64_t block = 2048;
    bool error_feedback = false;
  };

  // Of rows as `row` has them, which begins tensors at multiples of kUnit values.
  CompressedMean(const DeviceContext& context, const RankGroup& group, const LayerRow& row, const Coding& coding);
  static constexpr std::int64_t kUnit = ops::CompressBlocks::kUnit;

  // The device gets the table of blocks. It needs it at the start of a stage, and after a restore.
  void enqueue_table();
  // Without anything left to make good.
  void enqueue_reset();
  // message() ← C(mean over the workers of keep · momentum + take · gradient). Without momentum: of take · gradient.
  // The compute stream waits for it.
  void enqueue(ConstMat momentum, float keep, ConstMat gradient, float take, std::int64_t epoch);

  ConstBytes message() const { return all_; }
  ops::CompressBlocks blocks() const { return layout_.all(table_); }
  // What is yet to be made good: of this worker, and of the mean of the values that it serves, which are those from
  // first_served() on. Empty without error feedback.
  Mat error() const { return error_; }
  Mat mean_error() const { return mean_error_; }
  std::int64_t first_served() const { return layout_.values().first(group_.own()); }

  // What each of `workers` workers sends in a step, in bytes.
  static std::vector<std::int64_t> bytes_sent(const LayerRow& row, const Coding& coding, int workers);

 private:
  void enqueue(const Op& op) { context_.compute->enqueue(op); }

  DeviceContext context_;
  RankGroup group_;
  CompressLayout layout_;
  Buffer table_memory_, out_memory_, in_memory_, all_memory_, error_memory_, mean_error_memory_;
  MatView<std::int32_t> table_;  // of layout_
  Bytes out_, in_, all_;         // what goes to every worker, comes from every worker; the mean
  Mat error_, mean_error_;
  Round gathered_, spread_;
};

}  // namespace gamlp
