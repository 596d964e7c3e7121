#include "host/core/parallel.hpp"

#include <atomic>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/support/catch.hpp"

using namespace gamlp;

TEST_CASE("threads share every slice, each once") {
  for (const int threads : {1, 2, 5}) {
    for (const std::int64_t count : {0, 1, 7, 64, 1000}) {
      for (const std::int64_t slice : {1, 3, 64}) {
        INFO(threads << " threads, " << count << " in slices of " << slice);
        std::vector<std::atomic<int>> calls(static_cast<std::size_t>(count));
        std::atomic<bool> fits = true;
        parallel_slices(threads, count, slice, [&](std::int64_t begin, std::int64_t end) {
          if (begin >= end || end - begin > slice || end > count) fits = false;
          for (std::int64_t i = begin; i < end; ++i) ++calls[static_cast<std::size_t>(i)];
        });
        CHECK(fits);
        CHECK(std::all_of(calls.begin(), calls.end(), [](const std::atomic<int>& one) { return one == 1; }));
      }
    }
  }
}

TEST_CASE("what a slice throws comes to the caller, from any thread") {
  for (const int threads : {1, 4}) {
    for (const std::int64_t bad : {0, 50, 99}) {
      const auto body = [&](std::int64_t begin, std::int64_t) {
        if (begin == bad) throw std::runtime_error("slice " + std::to_string(bad));
      };
      CHECK_THROWS_AS(parallel_slices(threads, 100, 1, body), std::runtime_error);
    }
  }
}
