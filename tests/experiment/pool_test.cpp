// Programs beside each other.
#include "host/experiment/pool.hpp"

#include <chrono>
#include <csignal>
#include <thread>

#include "host/core/files.hpp"
#include "host/core/threads.hpp"
#include "tests/experiment/support.hpp"

namespace gamlp::test {
namespace {

std::vector<PoolEnd> all_ended(Pool& pool) {
  std::vector<PoolEnd> all;
  while (pool.running() > 0) {
    for (const PoolEnd& end : pool.ended()) all.push_back(end);
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return all;
}

}  // namespace

TEST_CASE("programs end with their status, and leave their output") {
  const Folder folder;
  Pool pool("/bin/sh", {4, 1e9});
  pool.start(7, {{"-c", "echo out; echo err >&2; exit 3"}, folder / "a.log", 1, 0, 0});
  std::vector<PoolEnd> ends = all_ended(pool);
  REQUIRE(ends.size() == 1);
  CHECK(ends[0].task == 7);
  CHECK(ends[0].status == 3);
  CHECK(read_file(folder / "a.log") == "out\nerr\n");
  pool.start(8, {{"-c", "kill -9 $$"}, folder / "b.log", 1, 0, 0});
  CHECK(all_ended(pool).at(0).status == 128 + 9);
  pool.start(9, {{"-c", "trap 'exit 8' TERM; while :; do sleep 0.01; done"}, folder / "c.log", 1, 0, 0});
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  pool.signal(SIGTERM);
  CHECK(all_ended(pool).at(0).status == 8);
}

TEST_CASE("a program is told its threads, or finds what is set here") {
  const Folder folder;
  const char* outer = std::getenv(kThreadsVariable);
  const std::string before = outer != nullptr ? outer : "unset";
  Pool pool("/bin/sh", {4, 1e9});
  const auto told = [&](int threads) {
    pool.start(
        0, {{"-c", "echo ${OMP_NUM_THREADS-unset}; env | grep -c ^OMP_NUM_THREADS"}, folder / "log", 1, threads, 0});
    (void)all_ended(pool);
    return read_file(folder / "log");
  };
  CHECK(told(3) == "3\n1\n");
  CHECK(told(0) == before + (outer != nullptr ? "\n1\n" : "\n0\n"));
}

TEST_CASE("as many run as cores and memory allow, and one in any case") {
  const Folder folder;
  Pool pool("/bin/sh", {3, 100});
  const auto task = [&](int cores, double memory) {
    return PoolTask{{"-c", "sleep 30"}, folder / "log", cores, 0, memory};
  };
  CHECK(pool.fits(task(9, 1e9)));
  pool.start(0, task(2, 60));
  CHECK(pool.fits(task(1, 40)));
  CHECK_FALSE(pool.fits(task(2, 40)));
  CHECK_FALSE(pool.fits(task(1, 41)));
  pool.start(1, task(1, 40));
  CHECK(pool.running() == 2);
  pool.signal(SIGKILL);
  CHECK(all_ended(pool).size() == 2);
}

TEST_CASE("what cannot be started is an error that names it") {
  const Folder folder;
  Pool pool(folder / "none", {1, 1});
  CHECK_THROWS_AS(pool.start(0, {{}, folder / "log", 1, 0, 0}), IoError);
  CHECK(pool.running() == 0);
  CHECK(available_memory() > 1e6);
}

}  // namespace gamlp::test
