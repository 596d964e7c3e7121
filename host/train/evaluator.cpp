#include "host/train/evaluator.hpp"

#include <algorithm>
#include <cmath>

#include "host/core/clock.hpp"
#include "host/cpu/blas.hpp"

namespace gamlp {
namespace {

constexpr std::size_t kMaxWaiting = 4;

std::int32_t best_class(const float* scores, std::int64_t classes) {
  return static_cast<std::int32_t>(std::max_element(scores, scores + classes) - scores);
}

}  // namespace

double accuracy_of(const Matrix& scores, const std::vector<std::int32_t>& labels) {
  if (labels.empty()) return std::nan("");
  std::int64_t correct = 0;
  for (std::int64_t i = 0; i < scores.rows(); ++i) {
    correct += best_class(scores.row(i), scores.cols()) == labels[static_cast<std::size_t>(i)];
  }
  return static_cast<double>(correct) / static_cast<double>(labels.size());
}

Accuracies evaluate(const Problem& problem, const ActivationRule& f, const Network& network) {
  std::array<double, 3> values{};
  for (std::size_t i = 0; i < 3; ++i) {
    values[i] = problem.parts[i].nodes.empty()
                    ? std::nan("")
                    : accuracy_of(forward(network, f, problem.part_inputs(i)), problem.parts[i].labels);
  }
  return {values[0], values[1], values[2]};
}

std::vector<ClassFigures> class_figures(const Matrix& scores, const std::vector<std::int32_t>& labels,
                                        std::int32_t classes) {
  std::vector<ClassFigures> figures(static_cast<std::size_t>(classes));
  for (std::int64_t i = 0; i < scores.rows(); ++i) {
    const auto label = static_cast<std::size_t>(labels[static_cast<std::size_t>(i)]);
    const auto predicted = static_cast<std::size_t>(best_class(scores.row(i), scores.cols()));
    ++figures[label].nodes;
    ++figures[predicted].predicted;
    if (label == predicted) ++figures[label].correct;
  }
  return figures;
}

Evaluator::Evaluator(const Problem& problem, const ActivationRule& f, int threads)
    : problem_(problem), activation_(f), threads_(threads), thread_([this] { work(); }) {}

Evaluator::~Evaluator() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Evaluator::submit(std::int64_t epoch, std::shared_ptr<Network> network) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return waiting_.size() < kMaxWaiting || failure_; });
  if (failure_) std::rethrow_exception(failure_);
  waiting_.push_back({epoch, {}, std::move(network)});
  changed_.notify_all();
}

std::optional<Evaluator::Result> Evaluator::next(bool wait) {
  std::unique_lock lock(mutex_);
  if (wait) changed_.wait(lock, [&] { return !finished_.empty() || failure_ || (waiting_.empty() && !busy_); });
  if (failure_) std::rethrow_exception(failure_);
  if (finished_.empty()) return std::nullopt;
  Result result = std::move(finished_.front());
  finished_.pop_front();
  return result;
}

double Evaluator::seconds() const {
  const std::lock_guard lock(mutex_);
  return seconds_;
}

void Evaluator::work() {
  set_blas_threads(threads_);
  for (;;) {
    Result job;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return closing_ || !waiting_.empty(); });
      if (closing_) return;
      job = std::move(waiting_.front());
      waiting_.pop_front();
      busy_ = true;
    }
    const auto start = Clock::now();
    std::exception_ptr failure;
    try {
      problem_.input.to_host_layout(job.network->front());
      job.accuracies = evaluate(problem_, activation_, *job.network);
    } catch (...) {
      failure = std::current_exception();
    }
    {
      const std::lock_guard lock(mutex_);
      busy_ = false;
      seconds_ += seconds_since(start);
      if (failure) {
        failure_ = failure;
      } else {
        finished_.push_back(std::move(job));
      }
    }
    changed_.notify_all();
  }
}

}  // namespace gamlp
