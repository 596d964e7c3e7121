// The config section `train`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace gamlp {

// When a stage ends early. Where all are null it trains its fixed number of epochs. host/train/convergence.hpp says
// what they mean.
struct StopConfig {
  std::optional<double> residual;
  std::optional<double> objective;
  std::int64_t window = 10;
  std::optional<std::int64_t> patience = std::nullopt;  // epochs without a better validation accuracy
};
// Whose best weights are the result: those of the last stage, or those of the stage that validated best.
enum class Report { last_stage, best_stage };
struct TrainConfig {
  std::uint64_t seed = 0;
  std::optional<std::string> from = std::nullopt;  // weights to start from (host/train/warm_start.hpp)
  bool new_head = false;                           // with `from`: but for the last layer
  std::int64_t evaluate_every = 1;    // epochs between evaluations; the last epoch of a stage is always evaluated
  std::int64_t checkpoint_every = 0;  // epochs between checkpoints, and one at the end; 0: only on a signal
  bool weights_hash = false;  // metrics have a hash of the weights, and all shards are seen to hold the same ones
  StopConfig stop;
  Report report = Report::last_stage;
};

}  // namespace gamlp
