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
  // Seconds from the moment that both sides are ready until a message of `bytes` has arrived.
  virtual double message_seconds(int from, int to, std::size_t bytes) const = 0;
  // True where the receiver's own thread copies the message when its compute stream asks for it (CPU workers). Then the
  // receiver's compute stream spends message_seconds(), which hides behind nothing.
  virtual bool copies_on_worker() const = 0;
};

}  // namespace gamlp::sim
