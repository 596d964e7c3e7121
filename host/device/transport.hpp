// Messages between devices: bytes, point to point, in groups. A transport does not know what they mean.
//
// Every transport keeps the rules of NCCL, so that a program that is right on one is right on all:
//   - exchange() enqueues one group on a stream. All sends and receives of the group progress together. The stream goes
//     on when all of them are complete.
//   - The messages from one device to another match in the order of enqueueing. There are no tags.
//   - Sender and receiver name the same size.
//   - The program leaves a buffer alone until its group is complete, and orders that by an event. After a wait for the
//     group has thrown, no peer touches the buffer any more.
//   - After abort(), or when a peer fails, every pending and later call throws a DeviceError that names the cause.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "host/core/matrix.hpp"
#include "host/device/device.hpp"

namespace gamlp {

// What a message carries. The label does not travel: the simulator and timelines read it. Both sides name the same.
enum class WireType { bytes, float32 };
struct MessageLabel {
  const char* what = "";
  int layer = 0;
  std::int64_t epoch = 0;
  WireType type = WireType::bytes;
};

struct Send {
  int peer;
  MatView<const std::byte> message;
  MessageLabel label = {};
};
struct Receive {
  int peer;
  MatView<std::byte> message;
  MessageLabel label = {};
};

// Counted by the transport itself, from the sizes of the messages that it carried.
struct TransportCounters {
  std::uint64_t bytes_sent = 0;
  std::uint64_t bytes_received = 0;
  std::uint64_t messages_sent = 0;
};

// One end per device.
class Transport {
 public:
  virtual ~Transport() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  virtual void exchange(Stream& stream, std::span<const Send> sends, std::span<const Receive> receives) = 0;
  virtual TransportCounters counters() const = 0;
  // Makes every end fail with `reason`. Of several reasons the first stays. Any thread may call this.
  virtual void abort(const std::string& reason) noexcept = 0;
  // Closes this end in good order, once its last exchange is complete. From then on it cannot fail, nor make others
  // fail. The destructor does the same.
  virtual void close() noexcept {}
};

class Staging;

// What a program runs on. The transport's rank is the position of the device among those of the run.
struct DeviceContext {
  Device* device = nullptr;
  Stream* compute = nullptr;
  Stream* exchange = nullptr;
  Transport* transport = nullptr;
  Staging* staging = nullptr;  // the compute stream, where tensors of nodes lie in the host's memory (staging.hpp)
};

}  // namespace gamlp
