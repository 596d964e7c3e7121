#include "host/train/bookkeeper.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <utility>

#include "host/config/parse.hpp"
#include "host/core/error.hpp"
#include "host/train/selection.hpp"

namespace gamlp {

Bookkeeper::Bookkeeper(const Config& config, const Problem& problem, const RunFolder& folder, Reporter& reporter,
                       std::unique_ptr<Device> evaluation, bool resident, const Checkpoint* from)
    : config_(config),
      problem_(problem),
      folder_(folder),
      reporter_(reporter),
      evaluator_(problem_, activation_rule(config_.model), std::move(evaluation),
                 evaluation_shapes(config_, problem_, resident)) {
  for (const StageConfig& stage : config_.stages) total_epochs_ += stage.epochs;
  if (config_.train.stop.patience && problem_.part_nodes()[1] == 0) {
    reporter_.warning("`train.stop.patience` has no effect: no node validates");
  }
  if (from == nullptr) return;
  input_probe_ = from->input_probe;
  seconds_before_ = from->seconds;
  evaluation_before_ = from->evaluation_seconds;
  bytes_before_ = from->bytes_sent;
  best_ = from->best;
  best_of_stages_ = from->best_of_stages;
  continued_ = from->continued;
  replicas_ = from->replicas;
}

namespace {

bool same_shape(const LayerWeights& a, const LayerWeights& b) {
  return a.w.rows() == b.w.rows() && a.w.cols() == b.w.cols();
}

bool same_shapes(const Network& a, const Network& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), same_shape);
}

// Of fewer layers: the inner ones are as wide as those of the stage. Layer 1 has `inputs` inputs.
bool grows_to(const Network& shallow, const Network& stage, std::int64_t inputs) {
  if (shallow.size() < 2 || shallow.size() > stage.size()) return false;
  return shallow.front().w.rows() == stage.front().w.rows() && shallow.front().w.cols() == inputs &&
         std::equal(shallow.begin() + 1, shallow.end() - 1, stage.begin() + 1, same_shape) &&
         same_shape(shallow.back(), stage.back());
}

}  // namespace

void Bookkeeper::check_best_fits(const Checkpoint& from, const Network& stage) const {
  const Network& best = from.best.network;
  if (best.empty() ? from.stage_complete : !same_shapes(best, stage)) {
    throw DataError("checkpoint: the best weights are not of the shape of stage " + std::to_string(from.stage));
  }
  if (static_cast<int>(from.best_of_stages.size()) != from.stage - 1) {
    throw DataError("checkpoint: holds best weights of " + std::to_string(from.best_of_stages.size()) +
                    " stages before stage " + std::to_string(from.stage));
  }
  for (std::size_t i = 0; i < from.best_of_stages.size(); ++i) {
    if (!grows_to(from.best_of_stages[i].network, stage, problem_.shape(static_cast<int>(i) + 1).input_width())) {
      throw DataError("checkpoint: the best weights of a stage before stage " + std::to_string(from.stage) +
                      " are not of its shape");
    }
  }
}

void Bookkeeper::stage_starts(int stage, std::int64_t epoch, const Network& network) {
  best_ = {};
  if (stage == 1 && !config_.train.from) return;  // nobody needs to know how new weights do
  evaluator_.submit(epoch, std::make_shared<Network>(network), false);
  start_awaits_evaluation_ = true;
}

void Bookkeeper::epoch_done(EpochRecord record, std::uint64_t bytes_sent, std::vector<Network> networks) {
  record.seconds = seconds();
  record.bytes_sent = bytes_before_ + bytes_sent;
  replicas_.add(record.leads);
  unpublished_.push_back(std::move(record));
  if (!networks.empty()) evaluate(unpublished_.back(), std::move(networks));
}

void Bookkeeper::evaluate_last(std::vector<Network> networks) { evaluate(unpublished_.back(), std::move(networks)); }

void Bookkeeper::evaluate(EpochRecord& record, std::vector<Network> networks) {
  const std::optional<std::size_t> leader = record.leader();
  record.awaited_evaluations = leader ? 2 : 1;
  if (leader) {
    evaluator_.submit(record.epoch, std::make_shared<Network>(networks[*leader]), true, true);
  }
  evaluator_.submit(record.epoch, std::make_shared<Network>(mean_of(std::move(networks))));
}

// Records are published in order; those that are evaluated wait for their result.
void Bookkeeper::take_evaluations(bool all) {
  for (;;) {
    while (!unpublished_.empty() && unpublished_.front().awaited_evaluations == 0) publish();
    if (unpublished_.empty() && !start_awaits_evaluation_) return;
    auto result = evaluator_.next(all);
    if (!result) return;
    start_awaits_evaluation_ = false;  // it is the first
    std::int64_t stage_epoch = 0;
    for (EpochRecord& record : unpublished_) {
      if (record.epoch != result->epoch) continue;
      (result->leader ? record.leader_accuracy : record.accuracy) = result->accuracies;
      --record.awaited_evaluations;
      stage_epoch = record.stage_epoch;
    }
    if (result->leader) {
      replicas_.evaluated(result->epoch, result->accuracies);
      continue;
    }
    // Each stage has best weights of its own.
    if (takes_place(best_, result->accuracies.validation, problem_.part_nodes()[1])) {
      best_ = {result->epoch, stage_epoch, result->accuracies, std::move(*result->network)};
    }
  }
}

void Bookkeeper::publish() {
  folder_.append(unpublished_.front());
  reporter_.epoch_done(unpublished_.front(), total_epochs_);
  unpublished_.pop_front();
}

void Bookkeeper::checkpoint(Checkpoint c, std::uint64_t bytes_sent) {
  take_evaluations(true);
  c.seconds = seconds();
  c.evaluation_seconds = evaluation_before_ + evaluator_.seconds();
  c.bytes_sent = bytes_before_ + bytes_sent;
  c.config = to_json(config_).dump();
  if (input_probe_.empty()) input_probe_ = problem_.input(1).probe();
  c.input_probe = input_probe_;
  c.kinds.assign(problem_.stage_kinds.begin(), problem_.stage_kinds.begin() + c.stage);
  c.best = best_;
  c.best_of_stages = best_of_stages_;
  c.continued = continued_;
  c.replicas = replicas_;
  folder_.flush_metrics();  // before: what goes on from the checkpoint writes no line of an epoch before it
  save_checkpoint(checkpoint_path(folder_.checkpoints(), c.epoch), c);
  remove_old_checkpoints(folder_.checkpoints(), 2);
}

// The stage of the best validation accuracy, 0-based. Ties go to the deepest; the last one where no node validates.
std::size_t Bookkeeper::best_stage() const {
  std::size_t best = best_of_stages_.size() - 1;
  for (std::size_t i = best; i-- > 0;) {
    if (best_of_stages_[i].accuracies.validation > best_of_stages_[best].accuracies.validation) best = i;
  }
  return best;
}

// What a user should know of the result: a stage before the last may have validated better, and training may have
// learned nothing.
void Bookkeeper::remark(std::size_t reported) {
  const BestWeights& result = best_of_stages_[reported];
  const std::size_t best = best_stage();
  if (best != reported) {
    const std::string number = std::to_string(best + 1);
    char text[160];
    std::snprintf(text, sizeof text,
                  "%zu layers validated better, %.1f %%, than the last stage, %.1f %%: growth to this depth lost here",
                  best_of_stages_[best].network.size(), 100 * best_of_stages_[best].accuracies.validation,
                  100 * result.accuracies.validation);
    reporter_.warning(text + ("; " + folder_.best_path(static_cast<int>(best) + 1).filename().string()) +
                      " has those weights (evaluate and predict: --stage " + number +
                      "), and `train.report` \"best_stage\" makes them the result");
  }
  if (config_.train.report == Report::best_stage && best_of_stages_.size() > 1 &&
      !std::isfinite(result.accuracies.validation)) {
    reporter_.warning("`train.report` is \"best_stage\", but no node validates: the last stage is the result");
  }
  if (const auto warning = chance_warning(problem_, result.accuracies.train)) reporter_.warning(*warning);
}

// Of the result, and of every stage where there are several.
void Bookkeeper::write_weights(std::size_t reported) const {
  for (std::size_t i = 0; i < best_of_stages_.size(); ++i) {
    const BestWeights& best = best_of_stages_[i];
    Network network = best.network;
    network.front() = problem_.unweighted(problem_.input(static_cast<int>(i) + 1).expanded(network.front()));
    const auto write = [&](int stage) {
      folder_.write_best(network, config_, best.epoch, problem_.preparation, stage);
    };
    if (best_of_stages_.size() > 1) write(static_cast<int>(i) + 1);
    if (i == reported) write(0);
  }
}

TrainResult Bookkeeper::finish(RunFigures figures, std::uint64_t bytes_sent) {
  const std::size_t reported = config_.train.report == Report::best_stage ? best_stage() : best_of_stages_.size() - 1;
  remark(reported);
  figures.seconds = seconds();
  write_weights(reported);
  figures.evaluation_seconds = evaluation_before_ + evaluator_.seconds();
  figures.bytes_sent = bytes_before_ + bytes_sent;
  figures.evaluation_memory = evaluator_.memory().peak;
  figures.continued = continued_;
  figures.replicas = replicas_;
  TrainResult result;
  result.epoch = figures.epochs;
  result.json = make_result(config_, problem_, best_of_stages_, reported, figures);
  folder_.write_result(result.json);
  return result;
}

}  // namespace gamlp
