#include "host/methods/backprop/powersgd_exchange.hpp"

#include <algorithm>

#include "host/math/random.hpp"

namespace gamlp {
namespace {

constexpr std::int64_t padded(std::int64_t values) { return (values + 3) / 4 * 4; }

}  // namespace

PowerSgdExchange::Layout PowerSgdExchange::layout_of(const std::vector<std::int64_t>& widths, const LayerRange& range,
                                                     const LayerRow& row, std::int64_t rank) {
  Layout layout;
  const std::vector<RowTensor>& tensors = row.tensors();
  for (int layer = range.first; layer <= range.last; ++layer) {
    const std::size_t w = 2 * static_cast<std::size_t>(layer - range.first);
    const std::int64_t n = widths[static_cast<std::size_t>(layer) - 1], m = widths[static_cast<std::size_t>(layer)];
    if (!compresses(m, n, rank)) {
      layout.plain.push_back({tensors[w].first, tensors[w].values, 0});
    } else {
      layout.matrices.push_back({layer, m, n, tensors[w].first, {}, {}});
      layout.p_first.push_back(layout.p_values);
      layout.q_first.push_back(layout.q_values);
      layout.p_values += padded(m * rank);
      layout.q_values += padded(n * rank);
    }
    layout.plain.push_back({tensors[w + 1].first, tensors[w + 1].values, 0});
  }
  for (Plain& one : layout.plain) {
    one.at = layout.p_values;
    layout.p_values += padded(one.values);
  }
  return layout;
}

std::int64_t PowerSgdExchange::bytes_sent(const std::vector<std::int64_t>& widths, const LayerRange& range,
                                          std::int64_t rank, int workers) {
  const Layout layout = layout_of(widths, range, LayerRow(widths, range, kUnit), rank);
  return 2 * 4 * (workers - 1) * (layout.p_values + layout.q_values);
}

PowerSgdExchange::PowerSgdExchange(const DeviceContext& context, const RankGroup& group,
                                   const std::vector<std::int64_t>& widths, const LayerRange& range,
                                   const LayerRow& row, const PowerSgdConfig& config, std::uint64_t seed)
    : context_(context), group_(group) {
  const Layout layout = layout_of(widths, range, row, config.rank);
  const auto allocate = [&](Buffer& memory, std::int64_t values, const char* what, MemoryKind kind) {
    memory = context_.device->allocate(static_cast<std::size_t>(values) * sizeof(float), what, kind);
    return memory.mat(1, values);
  };
  p_ = allocate(p_memory_, layout.p_values, "P", MemoryKind::exchange);
  q_ = allocate(q_memory_, layout.q_values, "Q", MemoryKind::weights);
  own_ =
      allocate(own_memory_, std::max(layout.p_values, layout.q_values), "P and Q of this worker", MemoryKind::exchange);
  const BlockSums sums = BlockSums::one_each(group_.size());
  const Parts p_parts = Reduction::even_parts(layout.p_values, group_),
              q_parts = Reduction::even_parts(layout.q_values, group_);
  const Mat received = allocate(
      received_memory_,
      std::max(Reduction::memory_floats(group_, sums, p_parts), Reduction::memory_floats(group_, sums, q_parts)),
      "P and Q of workers", MemoryKind::exchange);
  p_sum_ = std::make_unique<Reduction>(context_, group_, sums, p_parts, MessageLabel{"P"}, received);
  plain_ = layout.plain;
  // Also of layers that are added up exactly: what a checkpoint has does not depend on where layers lie.
  if (config.error_feedback) {
    error_ = allocate(error_memory_, row.size(), "errors of this worker", MemoryKind::weights);
  }
  if (layout.matrices.empty()) return;
  q_sum_ = std::make_unique<Reduction>(context_, group_, sums, q_parts, MessageLabel{"Q"}, received);
  matrices_ = layout.matrices;
  first_q_.resize(static_cast<std::size_t>(layout.q_values), 0.0f);
  for (std::size_t i = 0; i < matrices_.size(); ++i) {
    Matrices& one = matrices_[i];
    one.p = {p_.data + layout.p_first[i], one.m, config.rank};
    one.q = {q_.data + layout.q_first[i], one.n, config.rank};
    Random random(random_key(seed, 0x506F776572, static_cast<std::uint64_t>(one.layer)));
    float* q = first_q_.data() + layout.q_first[i];
    for (std::int64_t j = 0; j < one.q.size(); ++j) q[j] = static_cast<float>(random.normal());
  }
}

void PowerSgdExchange::enqueue_reset() {
  if (!error_.empty()) enqueue(ops::Zero{as_bytes(error_)});
  if (!matrices_.empty()) enqueue(ops::Upload{reinterpret_cast<const std::byte*>(first_q_.data()), as_bytes(q_)});
}

Mat PowerSgdExchange::basis(int layer) const {
  for (const Matrices& one : matrices_) {
    if (one.layer == layer) return one.q;
  }
  return {};
}

void PowerSgdExchange::add_up(Reduction& reduction, Mat own, Mat all, std::int64_t epoch) {
  reduction.scatter(own, epoch);
  reduction.sum(all);
  reduction.gather(all);
  reduction.finish();
}

void PowerSgdExchange::enqueue(Mat gradient, std::int64_t epoch) {
  const auto gradient_of = [&](const Matrices& one) { return Mat{gradient.data + one.first, one.m, one.n}; };
  // What is sent of: the gradient, with what is yet to be made good.
  const auto sent = [&](const Matrices& one) {
    return error_.empty() ? gradient_of(one) : Mat{error_.data + one.first, one.m, one.n};
  };
  // The place of a sum of all workers in what this one gives.
  const auto own = [&](const Mat& of, const Mat& all) {
    return Mat{own_.data + (of.data - all.data), of.rows, of.cols};
  };
  const auto plain_bytes = [](float* data, std::int64_t values) { return as_bytes(Mat{data, 1, values}); };
  for (const Matrices& one : matrices_) {
    if (!error_.empty()) enqueue(ops::Accumulate{gradient_of(one), sent(one)});
    enqueue(ops::Gemm{sent(one), one.q, own(one.p, p_)});
  }
  for (const Plain& one : plain_) {
    enqueue(ops::Copy{plain_bytes(gradient.data + one.first, one.values), plain_bytes(own_.data + one.at, one.values)});
  }
  add_up(*p_sum_, {own_.data, 1, p_.size()}, p_, epoch);
  for (const Matrices& one : matrices_) {
    enqueue(ops::Orthogonalize{one.p});
    enqueue(ops::Gemm{sent(one), one.p, own(one.q, q_), true});
  }
  if (q_sum_) add_up(*q_sum_, {own_.data, 1, q_.size()}, q_, epoch);
  for (const Plain& one : plain_) {
    enqueue(ops::Copy{plain_bytes(p_.data + one.at, one.values), plain_bytes(gradient.data + one.first, one.values)});
  }
  const float share = -1.0f / static_cast<float>(group_.size());
  for (const Matrices& one : matrices_) {
    enqueue(ops::Gemm{one.p, one.q, gradient_of(one), false, true});
    if (!error_.empty()) enqueue(ops::Gemm{one.p, one.q, sent(one), false, true, share, 1.0f});
  }
}

}  // namespace gamlp
