// Calls oneDNN so that it takes the number of threads of the calling thread (set_blas_threads() of blas.hpp).
#pragma once

#ifdef GAMLP_ONEDNN_TBB
#include <tbb/task_arena.h>
#endif

namespace gamlp {

#ifdef GAMLP_ONEDNN_TBB

// The arena of the calling thread, or null where that has no limit.
tbb::task_arena* blas_arena();

// TBB knows no limit per thread. It takes as many threads as the arena of the call has slots. It also divides the work
// into as many parts, however many cores there are, so that the bits are the same on every machine.
template <class Product>
void with_blas_threads(const Product& product) {
  if (tbb::task_arena* arena = blas_arena()) {
    arena->execute(product);
  } else {
    product();
  }
}

#else

// OpenMP itself keeps a number of threads per calling thread.
template <class Product>
void with_blas_threads(const Product& product) {
  product();
}

#endif

}  // namespace gamlp
