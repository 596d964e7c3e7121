#include "host/core/number_text.hpp"

#include <cstdint>
#include <limits>

#include "tests/support/catch.hpp"

using namespace gamlp;

TEST_CASE("numbers are shown short and exact") {
  CHECK(number_text(1e300) == "1e+300");
  CHECK(number_text(1e-9) == "1e-09");
  CHECK(number_text(0.1) == "0.1");
  CHECK(number_text(0.1f) == "0.1");
  CHECK(number_text(-1.0) == "-1");
  CHECK(number_text(std::numeric_limits<double>::lowest()).size() < 30);
  CHECK(std::stod(number_text(1.0 / 3.0)) == 1.0 / 3.0);
  CHECK(number_text(std::numeric_limits<float>::quiet_NaN()) == "nan");
  CHECK(number_text(-std::numeric_limits<double>::infinity()) == "-inf");
  CHECK(number_text(std::int64_t{-7}) == "-7");
}
