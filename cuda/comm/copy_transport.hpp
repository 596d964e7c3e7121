// Messages between the CUDA devices of one process, also between several that share a GPU: a copy on the receiver's
// exchange stream, between events. A device's thread waits until its peer has enqueued its half, never until it has
// run.
#pragma once

#include <memory>
#include <vector>

#include "host/device/transport.hpp"

namespace gamlp {

// One end per device. Streams given to exchange() are CudaStreams.
std::vector<std::unique_ptr<Transport>> create_copy_transports(int size);

}  // namespace gamlp
