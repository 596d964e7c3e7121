// The transport between CPU devices in the processes of an MpiGroup.
#pragma once

#include <memory>

#include "host/device/transport.hpp"

namespace gamlp::mpi {

class MpiGroup;

// Returns this process's end. `group` must outlive it.
std::unique_ptr<Transport> create_mpi_transport(MpiGroup& group);

}  // namespace gamlp::mpi
