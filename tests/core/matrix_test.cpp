#include "host/core/matrix.hpp"

#include <utility>

#include "host/core/error.hpp"
#include "tests/support/catch.hpp"

using namespace gamlp;

TEST_CASE("matrices are zeroed, row-major and aligned") {
  for (const std::int64_t cols : {1, 3, 17}) {
    Matrix m(5, cols);
    CHECK(reinterpret_cast<std::uintptr_t>(m.data()) % 64 == 0);
    for (const float x : m.view().flat()) CHECK(x == 0.0f);
    m(3, cols - 1) = 2.0f;
    CHECK(m.row(3)[cols - 1] == 2.0f);
    CHECK(m.data()[3 * cols + cols - 1] == 2.0f);
    CHECK(std::as_const(m).view().row(3) == m.data() + 3 * cols);
  }
  CHECK(Matrix().view().empty());
  CHECK(Matrix(0, 7).size() == 0);
}

TEST_CASE("errors carry their exit status, and broken preconditions are bugs") {
  CHECK(ConfigError("x").code() == ExitCode::config);
  CHECK(DataError("x").code() == ExitCode::data);
  CHECK(IoError("x").code() == ExitCode::io);
  CHECK(DeviceError("x").code() == ExitCode::device);
  CHECK(DivergenceError("x").code() == ExitCode::diverged);
  CHECK_NOTHROW(expects(true, "fine"));
  CHECK_THROWS_WITH(expects(false, "this holds"), "precondition failed: this holds");
}
