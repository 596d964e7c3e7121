#include "host/device/thread_fleet.hpp"

#include <utility>

#include "host/core/error.hpp"
#include "host/core/memory.hpp"

namespace gamlp {

ThreadFleet::ThreadFleet(std::vector<Member> members) : ThreadFleet(std::move(members), 0, -1) {}

ThreadFleet::ThreadFleet(std::vector<Member> members, int first, int size)
    : first_(first), size_(size < 0 ? static_cast<int>(members.size()) : size) {
  expects(!members.empty(), "a fleet has a device");
  for (Member& member : members) {
    auto worker = std::make_unique<Worker>();
    worker->device = std::move(member.device);
    worker->transport = std::move(member.transport);
    workers_.push_back(std::move(worker));
  }
  for (auto& worker : workers_) {
    try {
      worker->compute = worker->device->create_stream("compute", StreamKind::compute);
      worker->exchange = worker->device->create_stream("exchange", StreamKind::exchange);
    } catch (const std::exception& error) {
      // Other processes may have connected with this transport already: they are told before it goes.
      worker->transport->abort("worker " + worker->device->name() + " failed: " + error.what());
      throw;
    }
    worker->context = {worker->device.get(), worker->compute.get(), worker->exchange.get(), worker->transport.get()};
  }
  for (auto& worker : workers_) worker->thread = std::thread([this, &w = *worker] { work(w); });
}

ThreadFleet::~ThreadFleet() {
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return unfinished_ == 0; });
    closing_ = true;
  }
  changed_.notify_all();
  for (auto& worker : workers_) worker->thread.join();
}

void ThreadFleet::post(int rank, std::function<void()> task) {
  {
    const std::lock_guard lock(mutex_);
    Worker& target = worker(rank);
    target.tasks.push_back(std::move(task));
    ++target.posted;
    ++unfinished_;
  }
  changed_.notify_all();
}

std::uint64_t ThreadFleet::post_all(int count, const std::function<void(int)>& task) {
  for (int rank = 0; rank < count; ++rank) {
    if (local(rank)) post(rank, [task, rank] { task(rank); });
  }
  const std::lock_guard lock(mutex_);
  std::vector<std::uint64_t> wanted;
  for (const auto& one : workers_) wanted.push_back(one->posted);
  tickets_.emplace_back(++last_ticket_, std::move(wanted));
  return last_ticket_;
}

void ThreadFleet::wait(std::uint64_t ticket) {
  std::unique_lock lock(mutex_);
  while (!tickets_.empty() && tickets_.front().first < ticket) tickets_.pop_front();
  expects(!tickets_.empty() && tickets_.front().first == ticket, "tickets are waited for in order, once");
  const std::vector<std::uint64_t> wanted = std::move(tickets_.front().second);
  tickets_.pop_front();
  changed_.wait(lock, [&] {
    if (failure_) return unfinished_ == 0;
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      if (workers_[i]->finished < wanted[i]) return false;
    }
    return true;
  });
  if (failure_) std::rethrow_exception(failure_);
}

void ThreadFleet::wait() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return unfinished_ == 0; });
  if (failure_) std::rethrow_exception(failure_);
}

void ThreadFleet::work(Worker& worker) {
  for (;;) {
    std::function<void()> task;
    bool failed = false;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return closing_ || !worker.tasks.empty(); });
      if (worker.tasks.empty()) return;
      task = std::move(worker.tasks.front());
      worker.tasks.pop_front();
      failed = failure_ != nullptr;
    }
    if (!failed) {  // after a failure the remaining tasks are dropped
      try {
        task();
      } catch (const std::exception& error) {
        fail(worker, std::current_exception(), error.what());
      } catch (...) {
        fail(worker, std::current_exception(), "unknown exception");
      }
    }
    {
      const std::lock_guard lock(mutex_);
      ++worker.finished;
      --unfinished_;
    }
    changed_.notify_all();
  }
}

void ThreadFleet::fail(Worker& worker, const std::exception_ptr& error, const std::string& what) {
  const std::string name = worker.device->name();
  {
    const std::lock_guard lock(mutex_);
    if (!failure_) {
      // Errors of the program's own kind keep their exit status; anything else is a failed worker.
      try {
        std::rethrow_exception(error);
      } catch (const Error&) {
        failure_ = error;
      } catch (const std::bad_alloc& full) {
        failure_ = std::make_exception_ptr(DeviceError("worker " + name + ": " + out_of_memory_text(full)));
      } catch (const std::exception&) {
        failure_ = std::make_exception_ptr(DeviceError("worker " + name + " failed: " + what));
      } catch (...) {
        failure_ = std::make_exception_ptr(DeviceError("worker " + name + " failed: " + what));
      }
    }
  }
  worker.transport->abort("worker " + name + " failed: " + what);
}

}  // namespace gamlp
