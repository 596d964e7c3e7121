// Leader SGD (Teng et al., NeurIPS 2019): replicas that are pulled toward the one which does best. Replicas are in
// groups of neighbours. Each group has a leader, and all have one together.
//
// Every replica keeps the weights L that its group's leader had at its last exchange, and G, those of the leader of
// all. After every step of its optimiser a replica of weights x takes
//   x ← x + (p2/τ_G)(G − x),   and with several groups then   x ← x + (p1/τ)(L − x)
// After every τ steps the replicas tell each other their mean loss in the last `window` steps, or that of all training
// nodes. With several groups the replica with the lowest of a group sends its weights to the others of the group: they
// are L, and x ← x + λ(L − x). After every τ_G steps the replica with the lowest of all sends them to all: they are G,
// and x ← x + λ_G(G − x). Of equals the first leads; who has a loss that is not finite does not. Pulls leave momentum
// alone.
//
// Who leads is known to the host only when the losses have come. So an iteration has several pieces
// (StageProgram::pieces()): each ends with losses on their way, and the next one waits for them.
#pragma once

#include <memory>
#include <vector>

#include "host/methods/local/local_program.hpp"
#include "host/methods/lsgd/lsgd_config.hpp"

namespace gamlp {

class LsgdProgram final : public LocalProgram {
 public:
  // How many groups `config` has on a stage's replicas. Throws ConfigError where it does not divide them.
  static int groups_of(const LsgdOptions& options, const StageSpec& spec);
  // Steps between two exchanges of all replicas.
  static std::int64_t tau_global_of(const LsgdConfig& config, int groups);

  // The scalar of a layer after those of GradientProgram, of which only the last layer's is used: how many exchanges of
  // all replicas the replica has led in an epoch.
  static constexpr int kLeads = kScalars, kLsgdScalars = kScalars + 1;

  // `config`: resolved.
  LsgdProgram(const DeviceContext& context, const StageSpec& spec, int rank, DeviceInput* input,
              const OptimizerRule& rule, const LsgdConfig& config);

  void enqueue_start() override;
  int pieces(std::int64_t epoch) const override;
  void enqueue_piece(std::int64_t epoch, int piece, bool metrics) override;
  void enqueue_iteration(std::int64_t epoch, bool metrics) override;

  // The first of the lowest of some losses, from `first` on. Those that are not finite are no candidates; if none is,
  // the first.
  static int leader_of(const std::vector<double>& losses, int first, int count);

 private:
  void took_loss(std::int64_t step, int part, ConstScalar loss) override;
  void after_step(std::int64_t epoch) override;
  void exchange(std::int64_t epoch, std::int64_t step) override;
  void enqueue_constants() override;
  std::vector<Entry> entries() const override;

  bool last_layer() const { return !has_right(); }
  // The step of an epoch that its exchange number `which` follows, counted within it; not below steps(): there is none.
  std::int64_t exchange_step(std::int64_t epoch, int which) const;
  // Waits for the losses of the exchange after `step`. Then the leaders send their weights, and the others are pulled.
  void follow(std::int64_t epoch, std::int64_t step);
  void follow(const RankGroup& members, int leader, Mat kept, double share, std::int64_t epoch);
  // The mean loss of every replica in the window that ends with `step`, from losses_host_.
  std::vector<double> mean_losses(std::int64_t step) const;

  LsgdOptions options_;
  int groups_;
  std::int64_t tau_global_;
  std::vector<MiniBatches> batches_;  // by replica
  RankGroup own_group_;               // of replicas
  Buffer leader_memory_, group_leader_memory_, window_memory_, losses_memory_, one_memory_;
  Mat leader_, group_leader_;  // G and L; no L with one group
  MatView<double> window_;     // with the last layer: the loss of a step in each row, which take turns
  MatView<double> losses_;     // sums over the window: a row for each shard of each replica
  std::vector<double> losses_host_;
  std::unique_ptr<Event> known_;  // losses_host_ is complete
  Round gathered_, followed_;     // losses, and the weights of a leader
};

}  // namespace gamlp
