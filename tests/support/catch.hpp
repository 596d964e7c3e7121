// Catch2, v2 or v3, by one include.
#pragma once
#ifdef GAMLP_CATCH2_V3
#include <catch2/catch_all.hpp>
using Catch::Approx;  // as v2 does
#else
#include <catch2/catch.hpp>
#endif
