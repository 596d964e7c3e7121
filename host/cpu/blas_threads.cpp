#include "host/cpu/blas_threads.hpp"

#include <cblas.h>
#include <memory>
#include <omp.h>

#include "host/cpu/blas.hpp"

namespace gamlp {

#ifdef GAMLP_ONEDNN_TBB
namespace {

struct Limit {
  int threads = 0;
  std::unique_ptr<tbb::task_arena> arena;
};
thread_local Limit t_limit;

}  // namespace

tbb::task_arena* blas_arena() { return t_limit.arena.get(); }
#endif

void set_blas_threads(int threads) {
  omp_set_num_threads(threads);
  openblas_set_num_threads(threads);
#ifdef GAMLP_ONEDNN_TBB
  if (t_limit.threads != threads) t_limit = {threads, std::make_unique<tbb::task_arena>(threads)};
#endif
}

}  // namespace gamlp
