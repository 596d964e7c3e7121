// The transport between GPUs by NCCL, point to point. The GPUs belong to one process, which has a thread for each, or
// each GPU has a process of its own (host/dist).
//
// How it works:
//   - Every device has one communicator, which is non-blocking. Threads call NCCL on it under its mutex. Each call
//     returns at once, and the thread then polls until NCCL is done. So a failure or a timeout always ends a wait.
//   - exchange() makes one NCCL group on the device's exchange stream. The stream goes on when all messages of the
//     group are complete. The group may use only a few multiprocessors (maxCTAs), because products run beside it.
//   - connect_nccl() sends a first message each way between neighbours, because NCCL connects two peers only then.
//
// How it fails:
//   - One thread, the watcher, polls every few milliseconds. It finds the errors that NCCL met by itself, and a group
//     that a device has begun but has not completed within distributed.stall_timeout.
//   - A second thread calls neither NCCL nor CUDA, so it cannot hang in them. It finds the failure of another process,
//     and a watcher that does not come back from NCCL or CUDA.
//   - After any failure the waits for this process's devices throw it. The process aborts all its communicators at the
//     same time, because NCCL may make the abort of one wait for the other ranks of the host.
//   - When NCCL does not release the devices within ten seconds, the process says why and ends itself.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "host/device/transport.hpp"

namespace gamlp {

class CudaDevice;
class ProcessGroup;

// "2.28.9"
std::string nccl_version();

// Returns one end per device, in the order of `devices`, which is that of their ranks. Every device must have a GPU of
// its own. The streams given to exchange() must be the device's CudaStreams. stall_timeout: in seconds. Throws
// DeviceError. The caller destroys the ends before the devices. Destroying the first end stops the exchange of all of
// them.
std::vector<std::unique_ptr<Transport>> connect_nccl(const std::vector<CudaDevice*>& devices, double stall_timeout);

// The id by which the processes of a group find each other. One process creates it, and all of them are given it.
std::string create_nccl_id();
// Returns this process's end. Every process of the group calls it. When it throws, the group has failed.
std::unique_ptr<Transport> connect_nccl(CudaDevice& device, const std::string& id, ProcessGroup& group,
                                        double stall_timeout);

}  // namespace gamlp
