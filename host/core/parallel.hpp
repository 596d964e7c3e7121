// Shares work among threads.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace gamlp {

// Calls body(begin, end) over slices of [0, count), from `threads` threads, the caller's among them, which take the
// next slice when they are free. So that who computes which changes nothing, slices must not depend on each other. When
// a body throws, the others end first; then one of the exceptions is thrown here.
template <class Body>
void parallel_slices(int threads, std::int64_t count, std::int64_t slice, const Body& body) {
  std::atomic<std::int64_t> next{0};
  std::exception_ptr failure;
  std::mutex mutex;
  const auto work = [&] {
    try {
      for (;;) {
        const std::int64_t begin = next.fetch_add(slice, std::memory_order_relaxed);
        if (begin >= count) return;
        body(begin, std::min(count, begin + slice));
      }
    } catch (...) {
      const std::lock_guard lock(mutex);
      failure = std::current_exception();
    }
  };
  const std::int64_t useful = std::min<std::int64_t>(threads, (count + slice - 1) / slice);
  {
    std::vector<std::jthread> helpers;
    for (std::int64_t t = 1; t < useful; ++t) helpers.emplace_back(work);
    work();
  }
  if (failure) std::rethrow_exception(failure);
}

}  // namespace gamlp
