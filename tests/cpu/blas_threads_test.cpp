// Products take the threads that set_blas_threads() gives them. The bits of an AVX2 product depend on their number.
#include <sys/resource.h>
#include <thread>

#include "host/core/threads.hpp"
#include "host/cpu/blas.hpp"
#include "tests/support/catch.hpp"

using namespace gamlp;

namespace {

double cpu_seconds(int who) {
  rusage usage{};
  ::getrusage(who, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// The part of the work that other threads than the caller did.
double share_of_others() {
  constexpr std::int64_t kRows = 700;
  Matrix a(kRows, kRows), b(kRows, kRows), c(kRows, kRows);
  gemm(a.view(), false, b.view(), false, c.view());  // starts the threads
  // Threads that wait for work may look for it for a while.
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  const double all = cpu_seconds(RUSAGE_SELF), own = cpu_seconds(RUSAGE_THREAD);
  while (cpu_seconds(RUSAGE_SELF) - all < 0.3) gemm(a.view(), false, b.view(), false, c.view());
  const double work = cpu_seconds(RUSAGE_SELF) - all;
  return 1.0 - (cpu_seconds(RUSAGE_THREAD) - own) / work;
}

}  // namespace

TEST_CASE("products take as many threads as the caller gives them") {
  if (hardware_threads() < 2) {
    WARN("skipped: this machine runs one thread at a time");
    return;
  }
  for (const int round : {1, 2}) {  // a limit can be changed
    INFO("round " << round);
    set_blas_threads(1);
    CHECK(share_of_others() < 0.1);
    set_blas_threads(2);
    CHECK(share_of_others() > 0.2);
  }
  {
    const BlasThreads one(1);
    CHECK(share_of_others() < 0.1);
  }
  CHECK(share_of_others() > 0.2);
  set_blas_threads(1);
}
