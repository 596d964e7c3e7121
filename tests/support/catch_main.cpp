#ifndef GAMLP_CATCH2_V3
#define CATCH_CONFIG_RUNNER
#endif
#include "tests/support/catch.hpp"
#include "tests/support/environment.hpp"

int main(int argc, char** argv) {
  const int failures = Catch::Session().run(argc, argv);
  return failures == 0 && gamlp::test::skipped_tests() > 0 ? 77 : failures;
}
