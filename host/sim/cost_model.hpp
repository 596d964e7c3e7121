// The interface that the simulator asks how long ops and messages take, when it forecasts.
#pragma once

#include <cstddef>

#include "host/device/ops.hpp"

namespace gamlp::sim {

class CostModel {
 public:
  virtual ~CostModel() = default;
  // Seconds that an op holds its stream.
  virtual double op_seconds(const Op& op) const = 0;
  // Seconds that a copy between a device and the host's memory holds its copy stream. Copies in both directions do not
  // slow each other down.
  virtual double host_copy_seconds(std::size_t bytes) const = 0;
  // From the moment that both sides are ready, a message takes its transfer time, in which it has the link of either
  // side to itself, and then the latency. Between hosts all devices of a host share one link.
  struct MessageCost {
    double latency = 0, transfer = 0;
    int link = 0;  // which of a device's links it takes: 0, or 1
    int from_host = 0, to_host = 0;
    bool between_hosts() const { return from_host != to_host; }
    double seconds() const { return latency + transfer; }
  };
  virtual MessageCost message(int from, int to, std::size_t bytes) const = 0;
  // True where the receiver's own thread copies a message of its host when its compute stream asks for it (CPU
  // workers). Then the receiver's compute stream spends its seconds(), which hide behind nothing.
  virtual bool copies_on_worker() const = 0;
};

}  // namespace gamlp::sim
