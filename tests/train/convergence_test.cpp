// When a stage has converged: on sequences whose answer is known, and on runs.
#include "host/train/convergence.hpp"

#include "tests/train/support.hpp"

namespace gamlp::test {
namespace {

StopConfig rules(std::optional<double> residual, std::optional<double> objective, std::int64_t window) {
  return {residual, objective, window};
}

// The epoch (1-based) after which the stage ends, 0 for never.
int end_of(const StopConfig& stop, const std::vector<std::pair<double, double>>& epochs, double dual = 0.0) {
  RecentEpochs recent;
  for (std::size_t i = 0; i < epochs.size(); ++i) {
    EpochRecord record;
    record.objective = epochs[i].first, record.relative_residual = epochs[i].second, record.dual_residual = dual;
    add_epoch(recent, record, stop);
    if (converged(recent, stop)) return static_cast<int>(i) + 1;
  }
  return 0;
}

}  // namespace

TEST_CASE("a residual that still rises from the start is no convergence") {
  std::vector<std::pair<double, double>> epochs;
  for (int k = 0; k < 40; ++k) epochs.emplace_back(1.0, 1e-9 * k);
  CHECK(end_of(rules(1e-3, {}, 5), epochs) == 0);
}

TEST_CASE("the residual's window begins after the peak, however small that is") {
  std::vector<std::pair<double, double>> epochs;
  for (int k = 0; k < 10; ++k) epochs.emplace_back(1.0, 1e-9 * k);  // peak: epoch 10
  epochs.resize(40, {1.0, 5e-9});
  CHECK(end_of(rules(1e-3, {}, 4), epochs) == 15);  // epochs 11 … 15
}

TEST_CASE("the residual ends a stage once it stays below after its peak and the objective rests") {
  std::vector<std::pair<double, double>> epochs = {{2.0, 0.0}, {2.0, 0.5}, {2.0, 0.2}, {2.0, 0.009}};  // peak: epoch 2
  for (int k = 0; k < 20; ++k) epochs.emplace_back(2.0 + 1e-4 * k, 0.005);
  CHECK(end_of(rules(0.01, {}, 4), epochs) == 8);  // epochs 4 … 8 are below
  epochs[6].second = 0.02;                         // one above among them: epochs 8 … 12
  CHECK(end_of(rules(0.01, {}, 4), epochs) == 12);
  for (int k = 0; k < 24; ++k) epochs[static_cast<std::size_t>(k)].first = 2.0 - 0.05 * k;  // the objective falls
  CHECK(end_of(rules(0.01, {}, 4), epochs) == 0);
}

TEST_CASE("a residual that is small while q still moves is no convergence") {
  std::vector<std::pair<double, double>> epochs(40, {1.0, 0.005});
  epochs[2].second = 0.5;
  CHECK(end_of(rules(0.01, {}, 4), epochs, 0.009) == 8);
  CHECK(end_of(rules(0.01, {}, 4), epochs, 0.011) == 0);
  CHECK(end_of(rules(0.01, {}, 4), epochs, std::nan("")) == 0);
  CHECK(end_of(rules({}, 0.01, 4), epochs, 0.011) == 5);  // the other rule asks for the objective alone
}

TEST_CASE("the objective ends a stage by its relative movement over the whole window") {
  std::vector<std::pair<double, double>> epochs;
  for (int k = 0; k < 30; ++k) epochs.emplace_back(1000.0 * (1.0 + std::pow(0.5, k)), 1.0);
  // Over epochs k … k + 3 it moves by 1000 · 0.5^k · (1 − 1/8) < 0.01 · 1000: k = 7, so that epoch 11 (from 1) ends it.
  CHECK(end_of(rules({}, 0.01, 3), epochs) == 11);
  for (auto& [objective, residual] : epochs) objective /= 1e6;  // relative, not absolute
  CHECK(end_of(rules({}, 0.01, 3), epochs) == 11);
  for (std::size_t k = 0; k < epochs.size(); ++k) epochs[k].first = k % 3 == 1 ? 2.0 : 1.0;  // comes back every window
  CHECK(end_of(rules({}, 0.01, 3), epochs) == 0);
}

TEST_CASE("no stage ends before its window is full, and without rules none does") {
  const std::vector<std::pair<double, double>> still(50, {1.0, 0.0});
  CHECK(end_of(rules({}, 0.5, 10), still) == 11);
  CHECK(end_of(rules({}, {}, 10), still) == 0);
}

TEST_CASE("a run with a rule for the residual goes on until p and q agree") {
  const ScratchFolder scratch;
  Recorder recorder;
  run_in(scratch / "run",
         small_config({"exchange.p.bits=32", "exchange.q.bits=32", "train.stop.residual=1e-2", "stages.0.epochs=3000",
                       "stages.1.epochs=3000"}),
         {}, &recorder);
  std::vector<EpochRecord> ends;
  for (std::size_t i = 0; i < recorder.epochs.size(); ++i) {
    const bool last = i + 1 == recorder.epochs.size() || recorder.epochs[i + 1].stage != recorder.epochs[i].stage;
    if (last) ends.push_back(recorder.epochs[i]);
  }
  REQUIRE(ends.size() == 2);
  for (const EpochRecord& end : ends) {
    INFO("stage " << end.stage << " ended after " << end.stage_epoch << " epochs");
    CHECK(end.stage_epoch > 20);  // the first residuals are smaller than the limit, too
    CHECK(end.stage_epoch < 3000);
    CHECK(end.relative_residual < 1e-2);
    CHECK(end.dual_residual < 1e-2);
    CHECK(end.accuracy->train > 0.7);
  }
  CHECK(recorder.epochs.front().relative_residual < 1e-2);
}

}  // namespace gamlp::test
