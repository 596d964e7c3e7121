// The mean over workers of a row of values that each of them has, compressed on its way (host/math/compress.hpp).
//
// Workers are in groups of neighbours, one by one if nobody says otherwise. Each member of a group has a place in it,
// to which a part of the row belongs. The members of a group first add up their rows in float32, each the part of its
// place (reduce-scatter). Then those of the same place in all groups make the mean of that part. Each sends each other
// one a share of the part, compressed (all-to-all). Whoever serves a share makes the mean of it, and sends that to all
// of them, compressed (all-gather). At last the members of a group give each other their parts. So where a group is
// what lies on one host, a host sends as many bytes to the others as a single worker would.
//
// With error feedback a group keeps what the compression of its row has lost, and whoever serves a share what that of
// the mean has: it is added to what is compressed next.
#pragma once

#include <algorithm>
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

  // Of rows as `row` has them, which begins tensors at multiples of kUnit values, or of CompressLayout::unit() ones.
  // `each`: workers of a group. Throws ConfigError where it does not divide their number.
  CompressedMean(const DeviceContext& context, const RankGroup& workers, const LayerRow& row, const Coding& coding,
                 int each);
  static constexpr std::int64_t kUnit = ops::CompressBlocks::kUnit;

  // The device gets the table of blocks. It needs it at the start of a stage, and after a restore.
  void enqueue_table();
  // Without anything left to make good.
  void enqueue_reset();
  // message() ← C(mean over the workers of keep · momentum + take · gradient). Without momentum: of take · gradient.
  // All have the same momentum. The compute stream waits for it.
  void enqueue(ConstMat momentum, float keep, ConstMat gradient, float take, std::int64_t epoch);

  ConstBytes message() const { return all_; }
  ops::CompressBlocks blocks() const { return layout_.all(table_); }
  int groups() const { return groups_.size(); }
  int group() const { return groups_.own(); }  // of this worker
  // Values of the row.
  struct Kept {
    Mat values;
    std::int64_t first = 0;
  };
  // What is yet to be made good: of this worker's group, and of the mean. Of each the part that this worker keeps.
  // Empty without error feedback.
  Kept error() const { return {error_, layout_.values().first(first_share())}; }
  Kept mean_error() const { return {mean_error_, layout_.values().first(share())}; }

  // The errors that this worker keeps of a layer, as a checkpoint holds them: calls add(name, values, rows of the whole
  // tensor, first row here). Of "worker_error3" each group has a row's worth of values, of "mean_error3" all together.
  template <class Add>
  void add_errors(const LayerRow& row, int layer, Add add) const {
    const std::int64_t first = row.first(layer), size = row.size(layer);
    const auto part = [&](const std::string& name, const Kept& kept, int rows, int own) {
      const std::int64_t begin = std::max(first, kept.first),
                         end = std::min(first + size, kept.first + kept.values.size());
      if (begin >= end) return;
      add(name + std::to_string(layer), Mat{kept.values.data + (begin - kept.first), end - begin, 1}, rows * size,
          own * size + begin - first);
    };
    part("worker_error", error(), groups(), group());
    part("mean_error", mean_error(), 1, 0);
  }

  // What each of `workers` workers sends in a step, in bytes, in groups of `each`. `float32`: of that within the
  // groups, before anything is compressed.
  struct Sent {
    std::int64_t float32 = 0, within = 0, between = 0;
    std::int64_t all() const { return float32 + within + between; }
  };
  static std::vector<Sent> bytes_sent(const LayerRow& row, const Coding& coding, int workers, int each = 1);

 private:
  void enqueue(const Op& op) { context_.compute->enqueue(op); }
  // Of the layout's parts: the first one of this worker's place, and that which it serves.
  int first_share() const { return members_.own() * groups_.size(); }
  int share() const { return first_share() + groups_.own(); }

  DeviceContext context_;
  RankGroup members_, groups_;        // the workers of this one's group, and those of its place in all groups
  CompressLayout layout_;             // of parts for each place, one after the other, and within it for each group
  Parts place_values_, place_bytes_;  // of each place
  Buffer table_memory_, sum_memory_, out_memory_, in_memory_, all_memory_, error_memory_, mean_error_memory_;
  MatView<std::int32_t> table_;  // of layout_
  Mat rows_, sum_;               // of the members of the group the values of this place, and what they add up to
  Bytes out_, in_, all_;         // what goes to every group of this place, comes from every group; the mean
  Mat error_, mean_error_;
  Round added_, gathered_, spread_, shared_;
};

}  // namespace gamlp
