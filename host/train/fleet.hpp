// The CPU workers of a run: for each a device, its two streams, its end of the transport, and the thread that drives
// it. Tasks posted to a worker run in order; when one throws, the others are stopped through the transport.
#pragma once

#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "host/admm/stage_program.hpp"
#include "host/cpu/cpu_device.hpp"
#include "host/device/transport.hpp"

namespace gamlp {

class Fleet {
 public:
  Fleet(int devices, int threads_per_device);
  // Waits for running tasks (after stopping them through the transport when there was a failure).
  ~Fleet();
  Fleet(const Fleet&) = delete;
  Fleet& operator=(const Fleet&) = delete;

  int size() const { return static_cast<int>(workers_.size()); }
  const DeviceContext& context(int rank) const { return workers_[static_cast<std::size_t>(rank)]->context; }

  // Tasks of one worker run one after the other on its thread. Throws what an earlier task threw.
  void post(int rank, std::function<void()> task);
  // The same task for workers 0 … count−1. Returns a ticket for wait().
  std::uint64_t post_all(int count, const std::function<void(int rank)>& task);
  // Waits until every task posted (by the ticket's call) has run; throws what the first failing one threw.
  void wait();
  void wait(std::uint64_t ticket);

  // Sums over the workers. times() and memory() only while they are idle.
  TransportCounters traffic() const;
  CpuTimes times() const;
  std::vector<MemoryUse> memory() const;

 private:
  struct Worker {
    std::unique_ptr<CpuDevice> device;
    std::unique_ptr<Stream> compute, exchange;
    std::unique_ptr<Transport> transport;
    DeviceContext context;
    std::deque<std::function<void()>> tasks;
    std::uint64_t posted = 0, finished = 0;
    std::thread thread;
  };

  void work(Worker& worker);
  void fail(Worker& worker, const std::exception_ptr& error, const std::string& what);

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::size_t unfinished_ = 0;
  std::uint64_t last_ticket_ = 0;
  std::deque<std::pair<std::uint64_t, std::vector<std::uint64_t>>> tickets_;  // what each worker must have finished
  bool closing_ = false;
  std::exception_ptr failure_;
};

}  // namespace gamlp
