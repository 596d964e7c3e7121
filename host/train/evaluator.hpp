// Accuracy of weight snapshots on a thread of its own, so that the iteration goes on meanwhile.
#pragma once

#include <array>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "host/train/metrics.hpp"
#include "host/train/problem.hpp"

namespace gamlp {

// Share of nodes whose largest score is at their label; NaN for no nodes.
double accuracy_of(const Matrix& scores, const std::vector<std::int32_t>& labels);

// Accuracies of a network in the problem's coordinates.
Accuracies evaluate(const Problem& problem, const ActivationRule& f, const Network& network);

// Figures of one class on one part.
struct ClassFigures {
  std::int64_t nodes = 0, predicted = 0, correct = 0;
};
std::vector<ClassFigures> class_figures(const Matrix& scores, const std::vector<std::int32_t>& labels,
                                        std::int32_t classes);

class Evaluator {
 public:
  // `problem` must outlive the evaluator.
  Evaluator(const Problem& problem, const ActivationRule& f, int threads);
  ~Evaluator();
  Evaluator(const Evaluator&) = delete;
  Evaluator& operator=(const Evaluator&) = delete;

  struct Result {
    std::int64_t epoch = 0;
    Accuracies accuracies;
    std::shared_ptr<Network> network;
  };

  // The network must not change afterwards. At most a few are in the queue: a further submit waits.
  void submit(std::int64_t epoch, std::shared_ptr<Network> network);
  // The oldest finished result, if there is one; next(true) waits while evaluations are pending.
  std::optional<Result> next(bool wait);
  double seconds() const;  // spent evaluating

 private:
  void work();

  const Problem& problem_;
  ActivationRule activation_;
  int threads_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Result> waiting_, finished_;
  bool busy_ = false, closing_ = false;
  double seconds_ = 0;
  std::exception_ptr failure_;
  std::thread thread_;
};

}  // namespace gamlp
