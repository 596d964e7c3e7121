// What is known after an epoch: the objective and the residual, from the layers' scalars, and accuracies, from the
// evaluator. One record is one line of metrics.jsonl.
#pragma once

#include <cmath>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "host/methods/common/method.hpp"

namespace gamlp {

struct Accuracies {
  double train = 0, validation = 0, test = 0;  // fractions; NaN where a part has no nodes
};

struct EpochRecord : TrainingFigures {
  std::int64_t epoch = 0;        // 1-based, over the whole run
  int stage = 1;                 // 1-based
  std::int64_t stage_epoch = 0;  // 1-based
  int layers = 0;
  std::int64_t stage_steps = 0;  // steps of the optimiser since the stage began, where an epoch has several; else 0
  std::optional<Accuracies> accuracy;             // when the epoch was evaluated; of several replicas: of their mean
  std::optional<Accuracies> leader_accuracy;      // of the replica leader(), likewise
  int awaited_evaluations = 0;                    // that are under way (not part of the line)
  double seconds = 0;                             // training time since the start of the run
  std::uint64_t bytes_sent = 0;                   // by all devices, since the start of the run
  std::optional<std::uint64_t> weights_hash;      // where the config asks for it
  std::vector<std::pair<std::string, int>> bits;  // of a value of each message over a boundary

  // The replica with the lowest risk, the first of several. Nothing where there is one network.
  std::optional<std::size_t> leader() const;
};

nlohmann::ordered_json to_json(const EpochRecord& record);

// What a run of several replicas has come to, beside the weights of their mean. Checkpoints hold it.
struct ReplicaFigures {
  std::int64_t best_epoch = 0;      // of the run, at which the leader validated best; 0: none was evaluated
  Accuracies best;                  // of the leader then
  std::vector<std::int64_t> leads;  // how many exchanges each replica has led; empty where none has leaders

  void add(const std::vector<std::int64_t>& of_epoch);
  void evaluated(std::int64_t epoch, const Accuracies& leader);
};

// What the rules of `train.stop` know of a stage (host/train/convergence.hpp). Checkpoints hold it.
struct RecentEpochs {
  // Of the window's epochs and the one before them, oldest first. The residuals are relative, NaN where there is none.
  std::vector<double> objectives, residuals, dual_residuals;
  double largest_residual = 0.0;  // primal, since the stage began
  bool operator==(const RecentEpochs&) const = default;
};

}  // namespace gamlp
