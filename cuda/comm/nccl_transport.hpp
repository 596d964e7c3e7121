// Messages between GPUs by NCCL, point to point: one process with a thread per GPU, or a process per GPU (host/dist).
//
//   - Communicators are non-blocking, one per device. A call on one is made under its mutex and returns at once; what
//     is in progress is asked after, so that a failure elsewhere, or too long a wait, always ends the waiting.
//   - A group of messages is one NCCL group on the device's exchange stream: it holds the stream until all of them are
//     complete. It may use few of the GPU's multiprocessors (maxCTAs): the products run beside it.
//   - Connecting sends a first message each way between neighbours, since NCCL connects two peers when they first meet.
//   - Every few milliseconds a thread looks for errors that NCCL met by itself, and for a group that a device has begun
//     and does not get to the end of (distributed.stall_timeout); another, which calls neither NCCL nor CUDA, for the
//     failure of another process, and whether the first comes back from them. Whatever fails, waits for this process's
//     devices throw it, and all its communicators are aborted, at the same time: NCCL may wait for the other ranks of
//     a host in that. Should NCCL not let go of the devices within ten seconds, the process says why and ends itself.
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

// An end per device, in their order, which is that of their ranks. Every device has a GPU of its own; streams given to
// exchange() are its CudaStreams. Throws DeviceError. The ends, of which the first to go ends the exchange of all, go
// before the devices.
std::vector<std::unique_ptr<Transport>> connect_nccl(const std::vector<CudaDevice*>& devices, double stall_timeout);

// What the processes of a group find each other by: one process makes it, all are given it.
std::string create_nccl_id();
// This process's end. Collective. Where it throws, the group has failed.
std::unique_ptr<Transport> connect_nccl(CudaDevice& device, const std::string& id, ProcessGroup& group,
                                        double stall_timeout);

}  // namespace gamlp
