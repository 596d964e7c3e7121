#include "host/methods/lsgd/lsgd_program.hpp"

#include <algorithm>
#include <cmath>

#include "host/core/error.hpp"
#include "host/core/sum_tree.hpp"

namespace gamlp {
namespace {

constexpr double kOne = 1.0;
constexpr std::int64_t kPadded = 2;  // doubles that a loss takes up, so that each begins at 16 bytes

// The replicas of this one's group.
RankGroup group_of(const RankGroup& replicas, int groups) {
  const int each = replicas.size() / groups, first = replicas.own() / each * each;
  std::vector<int> ranks;
  for (int member = first; member < first + each; ++member) ranks.push_back(replicas.rank(member));
  return {std::move(ranks), replicas.rank(replicas.own())};
}

}  // namespace

int LsgdProgram::groups_of(const LsgdOptions& options, const StageSpec& spec) {
  const int replicas = spec.placement.replicas, each = spec.replicas_per_host();
  if (!options.groups) return each > 1 ? replicas / each : 1;
  if (replicas % *options.groups == 0) return static_cast<int>(*options.groups);
  throw ConfigError("`method.lsgd.groups` is " + std::to_string(*options.groups) + ": must divide the " +
                    std::to_string(replicas) + " replicas");
}

std::int64_t LsgdProgram::tau_global_of(const LsgdConfig& config, int groups) {
  return groups == 1 ? *config.local.tau : config.lsgd.tau_global.value_or(4 * *config.local.tau);
}

int LsgdProgram::leader_of(const std::vector<double>& losses, int first, int count) {
  int leader = -1;
  for (int i = first; i < first + count; ++i) {
    const double loss = losses[static_cast<std::size_t>(i)];
    if (!std::isfinite(loss)) continue;
    if (leader < 0 || loss < losses[static_cast<std::size_t>(leader)]) leader = i;
  }
  return leader < 0 ? first : leader;
}

LsgdProgram::LsgdProgram(const DeviceContext& context, const StageSpec& spec, int rank, DeviceInput* input,
                         const OptimizerRule& rule, const LsgdConfig& config)
    : LocalProgram(context, spec, rank, input, rule, config, ProgramOptions().unit,
                   config.lsgd.leader == LeaderBy::training_set),
      options_(config.lsgd),
      groups_(groups_of(config.lsgd, spec)),
      tau_global_(tau_global_of(config, groups_)),
      own_group_(group_of(replicas(), groups_)),
      gathered_(context, "losses"),
      followed_(context, "weights of the leader") {
  Device& device = *context_.device;
  for (int replica = 0; replica < replicas().size(); ++replica) {
    batches_.emplace_back(spec_, replica, config.batch, config.local.data);
  }
  leader_ = allocate_row(leader_memory_, "weights of the leader", MemoryKind::weights);
  if (groups_ > 1)
    group_leader_ = allocate_row(group_leader_memory_, "weights of the group's leader", MemoryKind::weights);
  const auto doubles = [&](Buffer& memory, std::int64_t rows, const char* what) {
    memory = device.allocate(static_cast<std::size_t>(rows * kPadded) * sizeof(double), what, MemoryKind::variables);
    return memory.view<double>(rows, kPadded);
  };
  losses_ = doubles(losses_memory_, replicas().size() * group_.size(), "losses of replicas");
  if (last_layer()) {
    window_ = doubles(window_memory_, options_.window, "losses of the window");
    one_memory_ = device.allocate(sizeof kOne, "one", MemoryKind::data);
  }
  losses_host_.resize(static_cast<std::size_t>(losses_.size()));
  known_ = device.create_event("losses known");
}

void LsgdProgram::enqueue_constants() {
  if (last_layer()) enqueue(ops::Upload{reinterpret_cast<const std::byte*>(&kOne), one_memory_.raw(sizeof kOne)});
}

void LsgdProgram::enqueue_start() {
  LocalProgram::enqueue_start();
  for (const Mat& row : {leader_, group_leader_}) {
    if (!row.empty()) enqueue(ops::Copy{as_bytes(ConstMat(weights())), as_bytes(row)});
  }
  if (last_layer()) enqueue(ops::Zero{as_bytes(window_)});
}

void LsgdProgram::took_loss(std::int64_t step, int part, ConstScalar loss) {
  const Scalar slot{window_.row(step % options_.window), 1, 1};
  if (part == 0) enqueue(ops::Zero{as_bytes(slot)});
  enqueue(ops::AddScalars{loss, slot});
}

void LsgdProgram::after_step(std::int64_t epoch) {
  const auto all = static_cast<float>(options_.p2 / static_cast<double>(tau_global_)),
             own = static_cast<float>(options_.p1 / static_cast<double>(tau()));
  context_.compute->label({"pull", 0, epoch});
  if (groups_ > 1 || all != 0.0f) enqueue(ops::Pull{weights(), leader_, group_leader_, all, own});
}

// Devices of the last layers know losses, those of all layers need them.
void LsgdProgram::exchange(std::int64_t epoch, std::int64_t) {
  const Placement& at = spec_.placement;
  const std::vector<int> know = at.ranks_of(at.runs() - 1);
  const auto of = [&](int column) { return Scalar{losses_.row(column), 1, 1}; };
  const Scalar own = of(at.column(rank_));
  context_.compute->label({"losses", 0, epoch});
  if (options_.leader == LeaderBy::training_set) {
    enqueue_loss_of_all(own, epoch);
  } else if (last_layer()) {
    enqueue(ops::SumScalars{window_, own, sum_tree(std::vector<int>(static_cast<std::size_t>(window_.rows), 1))});
  }
  MessageGroup messages;
  const MessageLabel label{"losses", 0, epoch};
  for (int rank = 0; last_layer() && rank < at.devices(); ++rank) {
    if (rank != rank_) messages.send(rank, as_bytes(ConstScalar(own)), label);
  }
  for (std::size_t i = 0; i < know.size(); ++i) {
    if (know[i] != rank_) messages.receive(know[i], as_bytes(of(static_cast<int>(i))), label);
  }
  gathered_.start(messages, "losses of replicas, until they are known here");
  gathered_.finish("losses of the other replicas");
  enqueue(ops::Download{as_bytes(MatView<const double>(losses_)), reinterpret_cast<std::byte*>(losses_host_.data())});
  context_.compute->record(*known_);
}

std::vector<double> LsgdProgram::mean_losses(std::int64_t step) const {
  std::vector<double> means;
  for (int replica = 0; replica < replicas().size(); ++replica) {
    double loss = 0.0;
    std::int64_t nodes = 0;
    for (int shard = 0; shard < group_.size(); ++shard) {
      loss += losses_host_[static_cast<std::size_t>((replica * group_.size() + shard) * kPadded)];
    }
    const std::int64_t first = options_.leader == LeaderBy::window ? step + 1 - options_.window : step + 1;
    if (options_.leader == LeaderBy::training_set) nodes = spec_.nodes;
    for (std::int64_t s = std::max<std::int64_t>(first, 0); s <= step; ++s) {
      nodes += batches_[static_cast<std::size_t>(replica)].nodes(static_cast<int>(s % steps()));
    }
    means.push_back(loss / static_cast<double>(nodes));
  }
  return means;
}

void LsgdProgram::follow(std::int64_t epoch, std::int64_t step) {
  known_->synchronize();
  const std::vector<double> losses = mean_losses(step);
  if (groups_ > 1) {
    const int first = replicas().own() - own_group_.own();
    follow(own_group_, leader_of(losses, first, own_group_.size()) - first, group_leader_, options_.lambda, epoch);
  }
  if ((step + 1) % tau_global_ != 0) return;
  const int leader = leader_of(losses, 0, replicas().size());
  follow(replicas(), leader, leader_, options_.lambda_global, epoch);
  if (replicas().own() == leader && last_layer()) {
    enqueue(ops::AddScalars{one_memory_.view<double>(1, 1), scalar(range_.last, kLeads)});
  }
}

void LsgdProgram::follow(const RankGroup& members, int leader, Mat kept, double share, std::int64_t epoch) {
  context_.compute->label({"follow", 0, epoch});
  if (members.own() == leader) enqueue(ops::Copy{as_bytes(ConstMat(weights())), as_bytes(kept)});
  followed_.start_broadcast(members, leader, as_bytes(kept), {"weights of the leader", 0, epoch, WireType::float32},
                            "weights of the leader, where it sends them, and where they are no longer read");
  followed_.finish("weights of the leader");
  enqueue(ops::Pull{weights(), kept, {}, static_cast<float>(share)});
}

std::int64_t LsgdProgram::exchange_step(std::int64_t epoch, int which) const {
  const std::int64_t first = tau() - 1 - epoch * steps() % tau();
  return first + which * tau();
}

int LsgdProgram::pieces(std::int64_t epoch) const {
  const std::int64_t after_first = steps() - 1 - exchange_step(epoch, 0);
  return after_first < 0 ? 1 : static_cast<int>(after_first / tau()) + 2;
}

void LsgdProgram::enqueue_piece(std::int64_t epoch, int piece, bool) {
  if (piece == 0 && last_layer()) {
    context_.compute->label({"follow", 0, epoch});
    enqueue(ops::Zero{as_bytes(scalar(range_.last, kLeads))});
  }
  std::int64_t first = 0;
  if (piece > 0) {
    const std::int64_t step = exchange_step(epoch, piece - 1);
    follow(epoch, epoch * steps() + step);
    first = step + 1;
  }
  const std::int64_t end = std::min<std::int64_t>(exchange_step(epoch, piece) + 1, steps());
  enqueue_steps(epoch, static_cast<int>(first), static_cast<int>(end));
  if (piece + 1 == pieces(epoch)) end_epoch(epoch);
}

void LsgdProgram::enqueue_iteration(std::int64_t epoch, bool metrics) {
  for (int piece = 0; piece < pieces(epoch); ++piece) enqueue_piece(epoch, piece, metrics);
}

std::vector<StageProgram::Entry> LsgdProgram::entries() const {
  std::vector<Entry> list = LocalProgram::entries();
  add_row_entries(list, "leader", leader_, false);
  add_row_entries(list, "group_leader", group_leader_, false);
  if (last_layer()) {
    list.push_back({"window" + std::to_string(range_.last), as_bytes(window_), group_.size(), window_.size(), 8,
                    group_.own(), false});
  }
  return list;
}

}  // namespace gamlp
