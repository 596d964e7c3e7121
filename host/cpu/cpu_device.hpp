// A CPU worker: a Device that one thread of its own drives.
//
// The compute stream runs each op inside enqueue(), on the calling thread, so an op costs no queue and no allocation.
// The exchange stream is lazy. A group of messages starts when it is enqueued. It goes on whenever the thread of this
// device enqueues an exchange or waits, so messages pass while the neighbour computes. A copy stream, like the compute
// stream, runs each op inside enqueue(). All calls on one device come from one thread at a time.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>

#include "host/cpu/cpu_ops.hpp"
#include "host/cpu/host_file.hpp"
#include "host/device/device.hpp"
#include "host/device/memory_account.hpp"
#include "host/device/ops.hpp"
#include "host/device/trace.hpp"

namespace gamlp {

// A group of messages on a lazy exchange stream, which completes later.
class ExchangeTask {
 public:
  virtual ~ExchangeTask() = default;
  // Goes as far as is possible now. Returns true when complete. Throws a DeviceError when the transport failed.
  virtual bool progress() = 0;
  // Whether it writes no memory of this device.
  virtual bool only_sends() const = 0;
  // Blocks, and returns after something may have changed. Throws a DeviceError when the transport failed.
  virtual void block() = 0;
  // When it was complete, on the clock of timelines. 0 means: when progress() first said so.
  virtual double completed() const { return 0; }
};

class CpuExchangeStream;

class CpuEvent final : public Event {
 public:
  void synchronize() override;

 private:
  friend class CpuExchangeStream;
  friend class CpuComputeStream;
  CpuExchangeStream* pending_on_ = nullptr;  // null: passed
  std::uint64_t ticket_ = 0;
};

using HostFiles = std::map<const std::byte*, const cpu::HostFile*>;  // by first address

class CpuDevice final : public Device {
 public:
  // `threads` is how many threads the matrix products of this device use.
  CpuDevice(int index, int threads) : index_(index), threads_(threads) {}

  std::string name() const override { return "cpu:" + std::to_string(index_); }
  Buffer allocate(std::size_t bytes, const std::string& what, MemoryKind kind) override;
  Buffer allocate_host(std::size_t bytes, const std::string& what) override;
  std::unique_ptr<Stream> create_stream(const std::string& what, StreamKind kind) override;
  std::unique_ptr<Event> create_event(const std::string& what) override;
  MemoryUse memory() const override { return account_->use(); }

  DeviceTimes times() const override { return times_; }
  void trace(TraceSink* sink) override { trace_ = sink; }

  // For the thread that drives this device.
  DeviceTimes& clock() { return times_; }
  TraceSink* trace_sink() { return trace_; }
  cpu::Scratch& scratch() { return scratch_; }
  int threads() const { return threads_; }
  // The file that the address belongs to. Null: it belongs to none.
  const cpu::HostFile* host_file(const std::byte* address) const;

 private:
  int index_, threads_;
  std::shared_ptr<HostFiles> files_ = std::make_shared<HostFiles>();
  std::shared_ptr<MemoryAccount> account_ = std::make_shared<MemoryAccount>();
  DeviceTimes times_;
  TraceSink* trace_ = nullptr;
  cpu::Scratch scratch_;
};

class CpuComputeStream : public Stream {
 public:
  explicit CpuComputeStream(CpuDevice& device) : device_(device) {}
  void enqueue(const Op& op) override;
  void record(Event& event) override;
  void wait(Event& event, const char* protects) override;
  void label(const StepLabel& label) override { label_ = label; }
  void synchronize() override {}

 protected:
  // Counts the time since `start` as that of the op, which has just run.
  void count(const Op& op, double start);

  CpuDevice& device_;

 private:
  StepLabel label_;
};

// Like it, but for copies between the device's memory and its files.
class CpuCopyStream final : public CpuComputeStream {
 public:
  using CpuComputeStream::CpuComputeStream;
  void enqueue(const Op& op) override;
  void wait(Event& event, const char*) override { event.synchronize(); }  // for nothing that takes time
};

class CpuExchangeStream final : public Stream {
 public:
  explicit CpuExchangeStream(CpuDevice& device) : device_(device) {}
  void enqueue(const Op& op) override;
  void record(Event& event) override;
  void wait(Event& event, const char* protects) override;
  void synchronize() override;

  // Transports call this to add a task behind everything enqueued before. A timeline shows the task as `span`.
  void add(std::unique_ptr<ExchangeTask> task, const Span& span);
  // Blocks until the task with this ticket, and all before it, are complete.
  void finish(std::uint64_t ticket);
  CpuDevice& device() { return device_; }

 private:
  struct Pending {
    std::unique_ptr<ExchangeTask> task;
    Span span;
  };

  void progress();

  CpuDevice& device_;
  double busy_since_ = 0;  // time under way has been counted up to here
  std::deque<Pending> tasks_;
  std::uint64_t added_ = 0, completed_ = 0;
};

}  // namespace gamlp
