// The devices of a run as a driver sees them. Each has a context, and a queue of tasks that enqueue work on it. When a
// task throws, the driver's next wait throws the same, and the fleet drops the tasks that have not run. In a run of
// several processes (host/dist) a fleet has only the devices of its own process, the local ones.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "host/device/device.hpp"
#include "host/device/transport.hpp"

namespace gamlp {

class Fleet {
 public:
  virtual ~Fleet() = default;
  virtual int size() const = 0;  // devices of the run
  virtual bool local(int /*rank*/) const { return true; }
  // Here and below, `rank` is that of a local device.
  virtual const DeviceContext& context(int rank) const = 0;

  // The tasks of one device run one after the other. A task may wait on the host, but only for work that earlier posted
  // tasks, of any device, complete; or, on a fleet with a thread for each device, tasks that were posted with it.
  virtual void post(int rank, std::function<void()> task) = 0;
  // Posts the task for each local device of 0 … count−1. Returns a ticket for wait().
  virtual std::uint64_t post_all(int count, const std::function<void(int rank)>& task) = 0;
  // Waits until all tasks have run, or all that were posted up to the ticket's call. The caller waits for its tickets
  // in order, once each.
  virtual void wait() = 0;
  virtual void wait(std::uint64_t ticket) = 0;

  // Sums over the local devices, which must be idle for times() and memory().
  TransportCounters traffic() const;
  DeviceTimes times() const;
  std::vector<MemoryUse> memory() const;
};

}  // namespace gamlp
