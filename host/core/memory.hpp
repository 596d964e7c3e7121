// Aligned host memory. Large blocks ask for huge pages: touching 2 GB for the first time otherwise costs half a
// million page faults.
#pragma once

#include <cstddef>

namespace gamlp {

// `bytes` of uninitialised memory aligned to at least 64 bytes, so that vector loops and BLAS see the same
// alignment in every run. Throws std::bad_alloc.
void* allocate_aligned(std::size_t bytes);
void free_aligned(void* memory) noexcept;

}  // namespace gamlp
