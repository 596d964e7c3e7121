// What rank 0 keeps of a run while the devices train: evaluations and the best weights, metrics, checkpoints, the
// result. No call waits for a device that trains. take_evaluations(true) and checkpoint() wait for the device that
// evaluates, and so does a call that submits to an evaluator whose queue is full (evaluator.hpp).
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "host/core/clock.hpp"
#include "host/store/checkpoint.hpp"
#include "host/store/run_folder.hpp"
#include "host/train/evaluator.hpp"
#include "host/train/result.hpp"
#include "host/train/trainer.hpp"

namespace gamlp {

class Bookkeeper {
 public:
  // Everything given must outlive the Bookkeeper. `evaluation` is the device that evaluates, and `resident` is as in
  // EvaluationShape. A resumed run goes on from `from`, which else is null.
  Bookkeeper(const Config& config, const Problem& problem, const RunFolder& folder, Reporter& reporter,
             std::unique_ptr<Device> evaluation, bool resident, const Checkpoint* from);

  // The programs of a stage are built, and nothing is enqueued yet (Evaluator::use()).
  void stage_is_built(int stage) { evaluator_.use(problem_.kind(stage)); }
  // A stage that does not go on from a checkpoint searches its own best weights. After the first stage, the weights
  // that it starts from are the first of them. They are those after `epoch` epochs of the run.
  void stage_starts(int stage, std::int64_t epoch, const Network& network);
  void stage_ends() { best_of_stages_.push_back(std::move(best_)); }
  // The epoch of the stage with the best of the evaluations taken, 0 where that is the start. Nothing before there is
  // one.
  std::optional<std::int64_t> best_stage_epoch() const {
    return best_.network.empty() ? std::nullopt : std::optional(best_.stage_epoch);
  }
  // The best weights of the stage that has ended last, in its coordinates.
  const BestWeights& best_of_last_stage() const { return best_of_stages_.back(); }
  // Throws DataError when the best weights of the checkpoint are not of the stage's shape.
  void check_best_fits(const Checkpoint& from, const Network& stage) const;

  // An epoch is complete, except for its evaluation when there are networks, one of each replica. Sets record.seconds
  // and bytes_sent.
  void epoch_done(EpochRecord record, std::uint64_t bytes_sent, std::vector<Network> networks);
  // Evaluates the last epoch after all, when it turned out to be the last only after epoch_done().
  void evaluate_last(std::vector<Network> networks);
  // Publishes the records that are complete, in order. With `all` it waits for all evaluations under way.
  void take_evaluations(bool all);

  // The training of the last stage has ended. What is saved from here on takes no training time.
  void training_ends() { end_ = Clock::now(); }
  // Fills in where the run stands, its best weights and its figures, and saves the checkpoint.
  void checkpoint(Checkpoint c, std::uint64_t bytes_sent);
  // The run is over: writes the best weights and the result.
  TrainResult finish(RunFigures figures, std::uint64_t bytes_sent);

 private:
  void publish();
  // Gives the evaluator the mean of the replicas, and the leader where there are several.
  void evaluate(EpochRecord& record, std::vector<Network> networks);
  std::size_t best_stage() const;
  void remark(std::size_t reported);
  void write_weights(std::size_t reported) const;
  double seconds() const { return seconds_before_ + seconds_between(start_, end_.value_or(Clock::now())); }

  const Config& config_;
  const Problem& problem_;
  const RunFolder& folder_;
  Reporter& reporter_;
  std::int64_t total_epochs_ = 0;
  std::vector<double> input_probe_;       // as the run began; empty before its first checkpoint
  std::deque<EpochRecord> unpublished_;   // complete, waiting for their evaluation
  bool start_awaits_evaluation_ = false;  // the weights that the stage starts from
  BestWeights best_;
  ReplicaFigures replicas_;
  std::vector<BestWeights> best_of_stages_;  // of the stages that have ended
  std::string continued_;                    // Checkpoint::continued
  Clock::time_point start_ = Clock::now();
  std::optional<Clock::time_point> end_;
  double seconds_before_ = 0, evaluation_before_ = 0;  // of the run that this one continues
  std::uint64_t bytes_before_ = 0;
  Evaluator evaluator_;  // last: its thread reads problem_
};

}  // namespace gamlp
