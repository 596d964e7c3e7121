// The devices of a run as a driver sees them: for each a context, and a queue of tasks that enqueue on it. What a task
// throws reaches the driver when it waits; tasks that have not run by then are dropped. Of a run of several processes
// (host/dist) a fleet holds the devices of its process; tasks for the others are those processes' own.
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
  // Of a local device, as everything below.
  virtual const DeviceContext& context(int rank) const = 0;

  // Tasks of one device run one after the other. A task that waits on the host may only wait for what tasks posted
  // before it, on any device, complete.
  virtual void post(int rank, std::function<void()> task) = 0;
  // The same task for the local ones of devices 0 … count−1. Returns a ticket for wait().
  virtual std::uint64_t post_all(int count, const std::function<void(int rank)>& task) = 0;
  // Waits until every task posted (by the ticket's call) has run; tickets are waited for in order, once.
  virtual void wait() = 0;
  virtual void wait(std::uint64_t ticket) = 0;

  // Sums over the local devices. times() and memory() only while they are idle.
  TransportCounters traffic() const;
  DeviceTimes times() const;
  std::vector<MemoryUse> memory() const;
};

}  // namespace gamlp
