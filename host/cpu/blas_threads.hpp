// How oneDNN is called so that it takes the calling thread's number of threads (set_blas_threads() of blas.hpp).
#pragma once

#ifdef GAMLP_ONEDNN_TBB
#include <tbb/task_arena.h>
#endif

namespace gamlp {

#ifdef GAMLP_ONEDNN_TBB

// The calling thread's; null where it has no limit.
tbb::task_arena* blas_arena();

// TBB knows of no limit of a thread's. It takes as many threads as the arena has slots that the call is made in: as
// many parts, too, however many cores there are, so that the bits are the same on all of them.
template <class Product>
void with_blas_threads(const Product& product) {
  if (tbb::task_arena* arena = blas_arena()) {
    arena->execute(product);
  } else {
    product();
  }
}

#else

// OpenMP's number of threads is the calling thread's.
template <class Product>
void with_blas_threads(const Product& product) {
  product();
}

#endif

}  // namespace gamlp
