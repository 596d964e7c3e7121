// The transport between the CUDA devices of one process by copies. Several devices may share a GPU. The receiver's
// exchange stream copies the message, after an event that says that it is ready and before one that says that it was
// taken. The thread of a device waits until its peer has enqueued its half, and never until that has run.
#pragma once

#include <memory>
#include <vector>

#include "host/device/transport.hpp"

namespace gamlp {

// Returns one end per device. The streams given to exchange() must be CudaStreams.
std::vector<std::unique_ptr<Transport>> create_copy_transports(int size);

}  // namespace gamlp
