#include "host/core/memory.hpp"

#include <cstring>
#include <fstream>
#include <memory>
#include <unistd.h>
#include <vector>

#include "host/core/matrix.hpp"
#include "tests/support/asan.hpp"
#include "tests/support/catch.hpp"

using namespace gamlp;

TEST_CASE("bytes for people") {
  CHECK(human_bytes(0) == "0 B");
  CHECK(human_bytes(999) == "999 B");
  CHECK(human_bytes(1000) == "1.0 KB");
  CHECK(human_bytes(12.34e9) == "12.3 GB");
  CHECK(human_bytes(5e18) == "5000.0 PB");
}

TEST_CASE("memory that is not there is told with its size and what it is for") {
  constexpr std::size_t kTooMuch = std::size_t{1} << 60;
  CHECK_THROWS_AS(allocate_aligned(kTooMuch), AllocationFailure);
  const std::string hint = "; gamlp plan CONFIG says what a run needs memory for, and with what it would need less";
  try {
    const Matrix large(1 << 20, std::int64_t{1} << 36);
    FAIL("there is no such memory");
  } catch (const std::bad_alloc& error) {
    CHECK(out_of_memory_text(error) ==
          "out of memory (cannot allocate 288.2 PB for a matrix of 1048576 × 68719476736)" + hint);
  }
  CHECK(out_of_memory_text(std::bad_alloc()) == "out of memory" + hint);
  try {
    with_room_for("the inputs", [] { allocate_aligned(kTooMuch); });
    FAIL("there is no such memory");
  } catch (const DeviceError& error) {
    CHECK(std::string(error.what()) == "the inputs: out of memory (cannot allocate 1152.9 PB)" + hint);
  }
  CHECK(with_room_for("nothing", [] { return 3; }) == 3);
}

#if defined(__GLIBC__) && !defined(GAMLP_ASAN)  // whose heap is its own
namespace {

double resident_bytes() {
  std::ifstream file("/proc/self/statm");
  double total = 0, resident = 0;
  REQUIRE(file >> total >> resident);
  return resident * static_cast<double>(::sysconf(_SC_PAGESIZE));
}

}  // namespace

TEST_CASE("freed memory goes back to the system") {
  constexpr std::size_t kBlock = 100000, kBlocks = 1000;  // of a size that the C library takes from its heap
  std::vector<std::unique_ptr<char[]>> blocks;
  for (std::size_t i = 0; i < kBlocks; ++i) {
    blocks.push_back(std::make_unique_for_overwrite<char[]>(kBlock));
    std::memset(blocks.back().get(), 1, kBlock);
  }
  const double held = resident_bytes();
  blocks.erase(blocks.begin(), blocks.end() - 1);  // the last one keeps the heap from shrinking
  CHECK(held - resident_bytes() < 10e6);
  return_freed_memory();
  CHECK(held - resident_bytes() > 90e6);
}
#endif
