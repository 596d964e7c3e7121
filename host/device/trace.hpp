// Timelines: what every stream did when, from real devices (their clock) and simulated ones (simulated time) alike.
#pragma once

#include <cstdint>

#include "host/device/device.hpp"
#include "host/device/transport.hpp"

namespace gamlp {

enum class Lane { compute, exchange };

struct Span {
  const char* name = "";      // op, "wait" or "exchange"
  const char* category = "";  // phase name, "wait" or "exchange"
  const char* detail = "";    // of a wait: what it protects; of an exchange: what it carries
  StepLabel label;
  Lane lane = Lane::compute;
  double start = 0, end = 0;  // seconds
  std::uint64_t bytes = 0;    // of an exchange: sent
};

// How a group of messages is shown; its times are the stream's.
inline Span span_of_exchange(std::span<const Send> sends, std::span<const Receive> receives) {
  Span span{"exchange", "exchange", "", {}, Lane::exchange, 0, 0, 0};
  for (const Send& send : sends) span.bytes += static_cast<std::uint64_t>(send.message.size());
  if (sends.empty() && receives.empty()) return span;
  const MessageLabel& label = sends.empty() ? receives.front().label : sends.front().label;
  span.detail = label.what;
  span.label = {label.what, label.layer, label.epoch};
  return span;
}

// Called by one device, from the thread that drives it.
class TraceSink {
 public:
  virtual ~TraceSink() = default;
  virtual void span(const Span&) = 0;
};

}  // namespace gamlp
