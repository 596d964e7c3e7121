// The seam between a method and what runs it: Device, Stream, Event, Buffer.
//
// A method is a program over these. It enqueues ops (ops/base.hpp) on streams. No call that a method makes waits for a
// result, but between the pieces of an iteration (StageProgram::pieces()). Else only the driver (host/train) waits, by
// synchronize(). There are three implementations: CPU workers
// (host/cpu), CUDA devices (cuda/device) and a simulator (host/sim). All of them keep these rules:
//   - The ops of one stream run in the order in which they were enqueued. Only events order one stream after another.
//   - An op reads what its const views show, and writes what its mutable views show (ops/base.hpp). It touches nothing
//   else.
//   - Memory belongs to the Buffer that allocate() returned. No op allocates.
//   - When an op fails, a later call on the same device throws a DeviceError.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "host/core/matrix.hpp"

namespace gamlp {

struct Op;
class TraceSink;

// What memory is for: the accounting of every allocation is reported by kind. `host` is no memory of the device: it is
// what allocate_host() returns.
enum class MemoryKind { weights, variables, exchange, workspace, data, host };
inline constexpr std::array<const char*, 6> kMemoryKindNames = {"weights",   "variables", "exchange",
                                                                "workspace", "data",      "host"};

// Bytes allocated on a device now, by kind. The total and the highest total so far are without kind `host`.
struct MemoryUse {
  std::array<std::size_t, kMemoryKindNames.size()> bytes{};
  std::size_t total = 0;
  std::size_t peak = 0;
};

// Device memory with one owner. Device::allocate() returns it filled with zeros and aligned to at least 64 bytes.
class Buffer {
 public:
  // What an implementation hands over: releases the memory when destroyed.
  class Storage {
   public:
    virtual ~Storage() = default;
    virtual std::byte* data() const = 0;
    virtual std::size_t bytes() const = 0;
  };

  Buffer() = default;
  explicit Buffer(std::unique_ptr<Storage> storage) : storage_(std::move(storage)) {}

  explicit operator bool() const { return storage_ != nullptr; }
  std::size_t bytes() const { return storage_ ? storage_->bytes() : 0; }

  // A view of the first rows × cols values. Views do not keep the buffer alive.
  template <class T>
  MatView<T> view(std::int64_t rows, std::int64_t cols) const {
    expects_fit(static_cast<std::size_t>(rows * cols) * sizeof(T));
    return {storage_ ? reinterpret_cast<T*>(storage_->data()) : nullptr, rows, cols};
  }
  MatView<float> mat(std::int64_t rows, std::int64_t cols) const { return view<float>(rows, cols); }
  MatView<std::byte> raw(std::size_t count) const { return view<std::byte>(1, static_cast<std::int64_t>(count)); }

 private:
  void expects_fit(std::size_t wanted) const;

  std::unique_ptr<Storage> storage_;
};

// Where a device's time went, in seconds.
struct DeviceTimes {
  std::array<double, 5> phase{};  // in ops, by the phase that they belong to: indexed by Phase (ops/base.hpp)
  double wait = 0.0;              // in which computing stood still because a message had not arrived
  double exchange = 0.0;          // in which computing stood still because the device copied a message
  double under_way = 0.0;         // in which a message was on its way, from when the device was ready for it

  // Exposed is the exchange that made the iteration longer. It includes the wait for a neighbour that computes longer.
  // Hidden is the exchange that ran while the device computed.
  double exposed() const { return wait + exchange; }
  double hidden() const { return under_way > exposed() ? under_way - exposed() : 0.0; }
  DeviceTimes& operator+=(const DeviceTimes& other) {
    for (std::size_t i = 0; i < phase.size(); ++i) phase[i] += other.phase[i];
    wait += other.wait, exchange += other.exchange, under_way += other.under_way;
    return *this;
  }
};

// What a program is about to enqueue, for instance step "p" of layer 3 in epoch 7. `step` is a string literal.
struct StepLabel {
  const char* step = "";
  int layer = 0;           // 1-based; 0: of no layer
  std::int64_t epoch = 0;  // 0-based within the stage
};

// A point in a stream's order. Belongs to the device that created it.
class Event {
 public:
  virtual ~Event() = default;
  // The host waits until the stream has passed the point of the last record(). Only the driver calls this.
  virtual void synchronize() = 0;
};

class Stream {
 public:
  virtual ~Stream() = default;
  virtual void enqueue(const Op& op) = 0;
  virtual void record(Event& event) = 0;
  // The stream runs nothing that is enqueued later until the point has passed that `event` had recorded by the time of
  // this call. Where it had recorded none, the stream does not wait. `protects` names the memory that this order
  // protects. Reports of races show it, so every place in a program has a text of its own.
  virtual void wait(Event& event, const char* protects) = 0;
  // Names the ops enqueued from here on, for reports and timelines.
  virtual void label(const StepLabel&) {}
  // The host waits until everything that was enqueued has run. Only the driver calls this.
  virtual void synchronize() = 0;
};

// A tensor of at most so many values leaves most of a GPU idle.
inline constexpr std::int64_t kSmallTensor = std::int64_t{1} << 18;

// A stream of kind `exchange` carries only messages (transport.hpp). On a GPU it has the higher priority. A stream of
// kind `copy` carries only ops::Copy between the device's memory and that of allocate_host().
enum class StreamKind { compute, exchange, copy };

class Device {
 public:
  virtual ~Device() = default;
  virtual std::string name() const = 0;  // "cpu:0"
  virtual Buffer allocate(std::size_t bytes, const std::string& what, MemoryKind kind) = 0;
  // Allocates memory of the host, for tensors that the device's memory has no room for: pinned memory for a GPU, a file
  // for a CPU worker (host_file.hpp). It is filled with zeros. Only streams of kind `copy` reach it (staging.hpp).
  virtual Buffer allocate_host(std::size_t bytes, const std::string& what) = 0;
  virtual std::unique_ptr<Stream> create_stream(const std::string& what, StreamKind kind) = 0;
  virtual std::unique_ptr<Event> create_event(const std::string& what) = 0;
  // How many ops of one stream may run beside each other when their tensors have at most kSmallTensor values and no two
  // of them touch the same memory. A program may give as many layers a workspace of their own.
  virtual int parallel_ops() const { return 1; }
  virtual MemoryUse memory() const = 0;
  virtual DeviceTimes times() const = 0;
  // From now on the device tells `sink` of every op, wait and group of messages. Null ends that. The sink outlives the
  // device. The caller makes sure that the device is idle.
  virtual void trace(TraceSink* sink) = 0;
};

}  // namespace gamlp
