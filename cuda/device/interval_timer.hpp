// Measures how long parts of a stream's work take. It records a pair of events round each part, reads them once they
// have passed, and never waits for them. The parts of one timer follow each other on one stream.
#pragma once

#include <cuda_runtime_api.h>
#include <deque>
#include <utility>
#include <vector>

#include "cuda/core/handles.hpp"

namespace gamlp::cuda {

class IntervalTimer {
 public:
  void begin(cudaStream_t stream) {
    Interval interval;
    if (!spare_.empty()) {
      interval = std::move(spare_.back());
      spare_.pop_back();
    } else {
      interval = {create_event(cudaEventDefault), create_event(cudaEventDefault)};
    }
    open_.push_back(std::move(interval));
    check(cudaEventRecord(open_.back().first.get(), stream), "cudaEventRecord");
  }

  void end(cudaStream_t stream) { check(cudaEventRecord(open_.back().second.get(), stream), "cudaEventRecord"); }

  // Returns the seconds of the parts that have passed since the last call. `all`: the host knows that all have passed.
  double take(bool all) {
    double seconds = 0;
    for (; !open_.empty(); open_.pop_front()) {
      if (!all) {
        const cudaError_t status = cudaEventQuery(open_.front().second.get());
        if (status == cudaErrorNotReady) break;
        check(status, "cudaEventQuery");
      }
      float milliseconds = 0;
      check(cudaEventElapsedTime(&milliseconds, open_.front().first.get(), open_.front().second.get()),
            "cudaEventElapsedTime");
      seconds += 1e-3 * static_cast<double>(milliseconds);
      spare_.push_back(std::move(open_.front()));
    }
    return seconds;
  }

  std::size_t waiting() const { return open_.size(); }

 private:
  using Interval = std::pair<EventHandle, EventHandle>;
  std::deque<Interval> open_;
  std::vector<Interval> spare_;
};

}  // namespace gamlp::cuda
