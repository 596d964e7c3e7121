// How the shards of the training nodes, which are then workers, make one gradient of theirs with fewer bytes than
// float32 takes.
#pragma once

#include <cstdint>

#include "host/core/matrix.hpp"

namespace gamlp {

class GradientExchange {
 public:
  virtual ~GradientExchange() = default;

  // What the device needs at the start of a stage, and after a restore.
  virtual void enqueue_constants() {}
  // A stage starts: nothing is left to make good.
  virtual void enqueue_reset() {}
  // gradient ← about the sum of the workers' gradients. Before, it has that of the worker's own nodes, all layers in
  // one row (LayerRow). The compute stream waits for it.
  virtual void enqueue(Mat gradient, std::int64_t epoch) = 0;

  // What this worker has yet to make good: a row as the gradient is. Empty: it loses what it does not send.
  virtual Mat error() const { return {}; }
  // What a layer's next exchange begins with, the same for all workers. Empty: nothing.
  virtual Mat basis(int /*layer*/) const { return {}; }
};

}  // namespace gamlp
