// Makes MPI known to host/dist/launch.hpp. The program calls this at its start.
#pragma once

namespace gamlp {

void use_mpi();

}  // namespace gamlp
