// After everything on the stand-in is over: nothing was done wrong, and nothing is left.
#pragma once

#include "tests/cuda/fake_cuda.hpp"
#include "tests/support/catch.hpp"

namespace gamlp::test {

inline void check_clean() {
  const fake_cuda::Counts counts = fake_cuda::counts();
  CHECK(counts.misuse == "");
  CHECK(counts.live == 0);
}

}  // namespace gamlp::test
