// Cost models from machine files: figures measured per op, and rates.
#include <algorithm>
#include <cmath>
#include <map>
#include <unordered_map>
#include <utility>

#include "host/core/error.hpp"
#include "host/plan/machine.hpp"
#include "host/plan/op_shape.hpp"

namespace gamlp {
namespace {

// Rates between measured sizes: the mean of the nearest ones, weighted by distance, sizes and rates on logarithmic
// scales. Rates change slowly with size, and level out beyond the largest.
double interpolated_rate(const std::vector<MeasuredOp>& points, const OpShape& shape,
                         double (*work)(const MeasuredOp&, const OpShape&)) {
  constexpr std::size_t kNearest = 5;
  std::vector<std::pair<double, double>> near;  // squared distance, log rate
  for (const MeasuredOp& point : points) {
    double distance = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      const double step = std::log(std::max(point.dims[i], 1.0) / std::max(shape.dims[i], 1.0));
      distance += step * step;
    }
    near.emplace_back(distance, std::log(work(point, shape) / point.seconds));
  }
  const std::size_t count = std::min(kNearest, near.size());
  std::partial_sort(near.begin(), near.begin() + static_cast<std::ptrdiff_t>(count), near.end());
  double sum = 0, weights = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const double weight = 1.0 / std::pow(near[i].first + 1e-4, 1.5);
    sum += weight * near[i].second;
    weights += weight;
  }
  return std::exp(sum / weights);
}

// The work of a measured point: as the op's own, from its sizes.
double work_at(const MeasuredOp& point, const OpShape& shape) {
  const double flops = flops_of(shape.family, point.dims);
  return flops > 0 ? flops : point.dims[0] * point.dims[1];
}

class MeasuredCosts final : public sim::CostModel {
 public:
  MeasuredCosts(const Machine& machine, int busy) : machine_(machine) {
    // One worker alone, or several busy.
    const auto& sets = machine.seconds;
    sets_.push_back(busy == 1 ? &sets.begin()->second : &sets.rbegin()->second);
    sets_.push_back(busy == 1 ? &sets.rbegin()->second : &sets.begin()->second);  // what the first lacks
  }

  double op_seconds(const Op& op) const override {
    const OpShape shape = shape_of(op);
    std::string key = shape.family;
    for (const double dim : shape.dims) key += "," + std::to_string(static_cast<std::int64_t>(dim));
    const auto known = known_.find(key);
    if (known != known_.end()) return known->second;
    const double value = seconds(shape);
    known_.emplace(std::move(key), value);
    return value;
  }
  double host_copy_seconds(std::size_t bytes) const override {
    const double rate = machine_.host_bandwidth > 0 ? machine_.host_bandwidth : machine_.copy_bandwidth;
    return static_cast<double>(bytes) / rate;
  }
  MessageCost message(int, int, std::size_t bytes) const override {
    return {0.0, static_cast<double>(bytes) / machine_.copy_bandwidth, 0};
  }
  bool copies_on_worker() const override { return true; }

 private:
  static const std::vector<MeasuredOp>* points(const MeasuredOps& ops, const std::string& family) {
    const auto found = ops.find(family);
    return found == ops.end() ? nullptr : &found->second;
  }

  double seconds(const OpShape& shape) const {
    constexpr std::size_t kEnough = 6;  // sizes, for a family to be interpolated by itself
    for (const MeasuredOps* ops : sets_) {
      const auto* own = points(*ops, shape.family);
      if (own != nullptr && own->size() >= kEnough) return shape.work / interpolated_rate(*own, shape, work_at);
      // Measured at one size: its ratio there to the codec that was measured at all of them.
      const std::size_t colon = shape.family.find(':'), plus = shape.family.find('+');
      const std::string reference = shape.family.substr(0, colon) + ":8/value/tensor" +
                                    (plus == std::string::npos ? "" : shape.family.substr(plus));
      const auto* all = points(*ops, reference);
      if (all != nullptr && own != nullptr && reference != shape.family) {
        double ratio = 0;
        for (const MeasuredOp& point : *own) {
          OpShape there = shape;
          there.dims = point.dims;
          there.work = work_at(point, shape);
          ratio += point.seconds * interpolated_rate(*all, there, work_at) / there.work;
        }
        return ratio / static_cast<double>(own->size()) * shape.work / interpolated_rate(*all, shape, work_at);
      }
      if (own != nullptr) return shape.work / interpolated_rate(*own, shape, work_at);
    }
    // A machine that was measured before there was this pass: the two that it is made of.
    if (shape.family.starts_with(kPProjectFinished)) {
      OpShape step = shape, gradient = shape;
      step.family = ops::PProject::name + shape.family.substr(kPProjectFinished.size());
      gradient.family = ops::PGradient::name;
      return seconds(step) + seconds(gradient);
    }
    // The passes of backpropagation, where one was not measured: by the bytes that they move.
    for (const char* pass :
         {ops::SoftmaxGradient::name, ops::ActivationGradient::name, ops::Dropout::name, ops::OptimizerStep::name}) {
      if (!shape.family.starts_with(pass)) continue;
      constexpr double kResidualAddBytes = 12;
      OpShape known = shape;
      known.family = ops::ResidualAdd::name;
      return seconds(known) * shape.bytes / (kResidualAddBytes * shape.work);
    }
    // What a machine of one worker, or one that was measured before, has not shown: at the rate of copies, which read
    // a byte for each that they write.
    for (const char* pass :
         {ops::SumParts::name, ops::SumScalars::name, ops::MaxParts::name, ops::Accumulate::name, ops::Copy::name,
          ops::BiasStep::name, ops::GatherBatch::name, ops::AddScalars::name, ops::AddHash::name}) {
      if (shape.family == pass) return 0.5 * shape.bytes / machine_.copy_bandwidth;
    }
    for (const char* pass : {ops::CompressMomentum::name, ops::CompressMean::name, ops::MomentumUpdate::name,
                             ops::ExpandRow::name, ops::FloorSquare::name, ops::ChooseLargest::name,
                             ops::SumChosen::name, ops::Pull::name, ops::OuterStep::name}) {
      if (shape.family.starts_with(pass)) return 0.5 * shape.bytes / machine_.copy_bandwidth;
    }
    // In the cache: a flop takes about as long as copying a byte.
    if (shape.family == ops::Orthogonalize::name) return shape.flops / machine_.copy_bandwidth;
    // A machine of one worker, whose ops write and read no messages: what else they do, and the passes over a message
    // as copies.
    constexpr std::string_view kMessage = "+message";
    if (shape.family.ends_with(kMessage)) {
      OpShape known = shape;
      known.family.resize(shape.family.size() - kMessage.size());
      return seconds(known);
    }
    for (const char* pass : {ops::PReceive::name, ops::QReceive::name}) {
      if (shape.family.starts_with(pass)) return shape.bytes / machine_.copy_bandwidth;
    }
    if (shape.family == ops::Upload::name) return shape.bytes / machine_.copy_bandwidth;
    throw DataError(machine_.origin + ": seconds: no figures for " + shape.family +
                    "; measure the machine again: gamlp bench --machine FILE");
  }

  const Machine& machine_;
  std::vector<const MeasuredOps*> sets_;
  mutable std::unordered_map<std::string, double> known_;
};

class RateCosts final : public sim::CostModel {
 public:
  explicit RateCosts(const Machine& machine) : m_(machine) {}

  double op_seconds(const Op& op) const override {
    const OpShape shape = shape_of(op);
    const double moved = shape.bytes / m_.memory_bandwidth;
    const double peak = m_.gemm_tflops * 1e12;
    switch (phase_of(op)) {
      case Phase::gemm: {
        const bool gram = std::string_view(shape.family).find("gram") != std::string_view::npos;
        const double x = shape.dims[0] * (gram ? shape.dims[0] : shape.dims[1]) / m_.multiprocessors;
        return m_.op_seconds + std::max(moved, shape.flops / (peak * x / (x + m_.gemm_saturation)));
      }
      case Phase::factor:
        return m_.op_seconds + shape.columns * m_.factor_column_seconds +
               std::max(moved, shape.flops / (peak * m_.factor_share));
      default:
        return m_.op_seconds + moved;
    }
  }
  double host_copy_seconds(std::size_t bytes) const override {
    if (!(m_.host_bandwidth > 0)) {
      throw DataError(m_.origin + ": host_bandwidth: missing, and node_memory needs it");
    }
    return m_.op_seconds + static_cast<double>(bytes) / m_.host_bandwidth;
  }
  MessageCost message(int from, int to, std::size_t bytes) const override {
    const bool apart = m_.link_between_islands && from / m_.island != to / m_.island;
    const Link& link = apart ? *m_.link_between_islands : m_.link;
    return {link.latency, static_cast<double>(bytes) / link.bandwidth, apart ? 1 : 0};
  }
  bool copies_on_worker() const override { return false; }

 private:
  const Machine& m_;
};

// The same machine several times.
class HostsCosts final : public sim::CostModel {
 public:
  HostsCosts(std::unique_ptr<sim::CostModel> of_one, const Link& network, const std::vector<int>& hosts)
      : of_one_(std::move(of_one)), network_(network), hosts_(hosts) {
    std::map<int, int> devices;
    for (const int host : hosts_) place_.push_back(devices[host]++);
  }

  double op_seconds(const Op& op) const override { return of_one_->op_seconds(op); }
  double host_copy_seconds(std::size_t bytes) const override { return of_one_->host_copy_seconds(bytes); }
  MessageCost message(int from, int to, std::size_t bytes) const override {
    const auto a = static_cast<std::size_t>(from), b = static_cast<std::size_t>(to);
    if (hosts_[a] == hosts_[b]) return of_one_->message(place_[a], place_[b], bytes);
    return {network_.latency, static_cast<double>(bytes) / network_.bandwidth, 0, hosts_[a], hosts_[b]};
  }
  bool copies_on_worker() const override { return of_one_->copies_on_worker(); }

 private:
  std::unique_ptr<sim::CostModel> of_one_;
  Link network_;
  std::vector<int> hosts_, place_;  // by device: its host, and which of the host's devices it is
};

}  // namespace

std::unique_ptr<sim::CostModel> make_costs(const Machine& machine, int busy) {
  if (machine.gpu) return std::make_unique<RateCosts>(machine);
  return std::make_unique<MeasuredCosts>(machine, busy);
}

std::unique_ptr<sim::CostModel> make_costs(const Machine& machine, const std::vector<int>& hosts) {
  int busy = 0;
  for (const int host : hosts) busy = std::max(busy, static_cast<int>(std::count(hosts.begin(), hosts.end(), host)));
  auto costs = make_costs(machine, busy);
  if (busy == static_cast<int>(hosts.size())) return costs;
  return std::make_unique<HostsCosts>(std::move(costs), machine.network, hosts);
}

}  // namespace gamlp
