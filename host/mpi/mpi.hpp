// Makes MPI known to launch.hpp.
#pragma once

namespace gamlp {

void use_mpi();

}  // namespace gamlp
