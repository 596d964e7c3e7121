// The vector instructions that this build was compiled for. The loops are plain C++, which the compiler vectorises. No
// code is written for a particular instruction set.
#pragma once

namespace gamlp {

inline constexpr const char* kInstructions =
#if defined(__AVX512F__)
    "AVX-512";
#elif defined(__AVX2__)
    "AVX2";
#elif defined(__ARM_FEATURE_SVE2)
    "SVE2 and NEON";
#elif defined(__ARM_FEATURE_SVE)
    "SVE and NEON";
#elif defined(__ARM_NEON)
    "NEON";
#else
    "baseline";
#endif

}  // namespace gamlp
