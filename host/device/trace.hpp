// Timelines: what every stream did, and when. Real devices take the times from their clock, simulated ones from
// simulated time.
#pragma once

#include <cstdint>

#include "host/device/device.hpp"
#include "host/device/transport.hpp"

namespace gamlp {

// Lane `copy` has the copies between a GPU and the host's memory. Those of a CPU worker are in `compute`: it makes them
// itself.
enum class Lane { compute, exchange, copy };

// What a stream did in a stretch of time.
struct Span {
  const char* name = "";      // op, "wait" or "exchange"
  const char* category = "";  // phase name, "wait" or "exchange"
  const char* detail = "";    // of a wait: what it protects; of an exchange: what it carries
  StepLabel label;
  Lane lane = Lane::compute;
  double start = 0, end = 0;  // seconds
  std::uint64_t bytes = 0;    // of an exchange: sent
};

// Returns how a timeline shows a group of messages. The stream fills in the times.
inline Span span_of_exchange(std::span<const Send> sends, std::span<const Receive> receives) {
  Span span{"exchange", "exchange", "", {}, Lane::exchange, 0, 0, 0};
  for (const Send& send : sends) span.bytes += static_cast<std::uint64_t>(send.message.size());
  if (sends.empty() && receives.empty()) return span;
  const MessageLabel& label = sends.empty() ? receives.front().label : sends.front().label;
  span.detail = label.what;
  span.label = {label.what, label.layer, label.epoch};
  return span;
}

// Takes the spans of one device. The device calls it from the thread that drives it.
class TraceSink {
 public:
  virtual ~TraceSink() = default;
  virtual void span(const Span&) = 0;
};

}  // namespace gamlp
