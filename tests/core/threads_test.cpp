#include "host/core/threads.hpp"

#include <cstdlib>
#include <optional>
#include <string>

#include "tests/support/catch.hpp"

using namespace gamlp;

TEST_CASE("OMP_NUM_THREADS limits the threads to fewer than the cores") {
  const char* outer = std::getenv(kThreadsVariable);
  const std::optional<std::string> before = outer != nullptr ? std::optional<std::string>(outer) : std::nullopt;
  const auto with = [](const char* text) {
    ::setenv(kThreadsVariable, text, 1);
    return hardware_threads();
  };
  ::unsetenv(kThreadsVariable);
  const int cores = hardware_threads();
  CHECK(cores >= 1);
  CHECK(with("1") == 1);
  CHECK(with("1,8") == 1);
  for (const char* ignored : {"", "0", "-1", "one", "1x", "1000000"}) {
    INFO(ignored);
    CHECK(with(ignored) == cores);
  }
  if (before) {
    ::setenv(kThreadsVariable, before->c_str(), 1);
  } else {
    ::unsetenv(kThreadsVariable);
  }
}
