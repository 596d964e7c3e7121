// A fleet in which a thread of its own drives each device, on two streams. When a task throws, the fleet stops the
// other devices through the transport.
#pragma once

#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "host/device/fleet.hpp"

namespace gamlp {

class ThreadFleet final : public Fleet {
 public:
  struct Member {
    std::unique_ptr<Device> device;
    std::unique_ptr<Transport> transport;
  };

  explicit ThreadFleet(std::vector<Member> members);
  // The members are the devices first, first + 1, … of a run of `size` devices. Other processes drive the others.
  ThreadFleet(std::vector<Member> members, int first, int size);
  // Waits for all tasks. After a failure, which has stopped the transport, those that have not run are dropped.
  ~ThreadFleet() override;
  ThreadFleet(const ThreadFleet&) = delete;
  ThreadFleet& operator=(const ThreadFleet&) = delete;

  int size() const override { return size_; }
  bool local(int rank) const override { return rank >= first_ && rank < first_ + static_cast<int>(workers_.size()); }
  const DeviceContext& context(int rank) const override { return worker(rank).context; }
  void post(int rank, std::function<void()> task) override;
  std::uint64_t post_all(int count, const std::function<void(int rank)>& task) override;
  void wait() override;
  void wait(std::uint64_t ticket) override;

 private:
  struct Worker {
    std::unique_ptr<Device> device;
    std::unique_ptr<Stream> compute, exchange;
    std::unique_ptr<Transport> transport;
    DeviceContext context;
    std::deque<std::function<void()>> tasks;
    std::uint64_t posted = 0, finished = 0;
    std::thread thread;
  };

  Worker& worker(int rank) const { return *workers_.at(static_cast<std::size_t>(rank - first_)); }
  void work(Worker& worker);
  void fail(Worker& worker, const std::exception_ptr& error, const std::string& what);

  int first_, size_;
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
