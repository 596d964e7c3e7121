// gamlp: trains Graph-Augmented MLPs layer-parallel by ADMM.
#include "host/cli/commands.hpp"
#include "host/cpu/blas.hpp"
#ifdef GAMLP_WITH_CUDA
#include "cuda/accelerator.hpp"
#endif
#ifdef GAMLP_WITH_MPI
#include "host/mpi/mpi.hpp"
#endif

int main(int argc, char** argv) {
  gamlp::choose_blas_kernels(argv);
#ifdef GAMLP_WITH_CUDA
  gamlp::use_cuda();
#endif
#ifdef GAMLP_WITH_MPI
  gamlp::use_mpi();
#endif
  return gamlp::cli::run_program(argc, argv);
}
