#include "host/core/memory.hpp"

#include "host/core/matrix.hpp"
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
