// The transport between CPU workers of one process. A receiver copies straight from the sender's buffer. So a group is
// complete, on both sides, when the copy is done, as with NCCL.
#pragma once

#include <memory>
#include <vector>

#include "host/device/transport.hpp"

namespace gamlp {

// Returns one end per worker. All ends are connected with each other. Streams passed to exchange() must be
// CpuExchangeStreams.
std::vector<std::unique_ptr<Transport>> create_local_transports(int size);

}  // namespace gamlp
