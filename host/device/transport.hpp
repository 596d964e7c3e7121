// Messages between devices: typed bytes, point to point, in groups. The transport knows nothing of p and q.
//
// Rules, those of NCCL (so that a program that is right here is right there):
//   - exchange() enqueues ONE group on a stream: all of its sends and receives progress together, and the
//     stream goes on when all of them are complete;
//   - messages between one pair of devices match in the order of enqueueing; there are no tags;
//   - both sides name the same size; a buffer must stay untouched until the group is complete (order by event), or
//     until the wait for it has thrown: after that no peer touches it;
//   - after abort(), or when a peer fails, every pending and later call throws DeviceError naming the cause.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "host/core/matrix.hpp"
#include "host/device/device.hpp"

namespace gamlp {

// What a message carries. It does not travel: checkers and timelines read it, and both sides must name the same.
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
  // Makes every end fail with `reason`; the first reason stays. Callable from any thread.
  virtual void abort(const std::string& reason) noexcept = 0;
  // After the last exchange is complete: the end of this end, in good order. Nothing of it fails any more, nor makes
  // others fail. Destruction does it too.
  virtual void close() noexcept {}
};

// What a program runs on. Transport rank = position of the device among those of the run.
struct DeviceContext {
  Device* device = nullptr;
  Stream* compute = nullptr;
  Stream* exchange = nullptr;
  Transport* transport = nullptr;
};

}  // namespace gamlp
