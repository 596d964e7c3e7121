// The model's forward pass on a device (docs/algorithm.md §1). It computes the class scores of rows of inputs, a block
// of rows at a time.
#pragma once

#include <cstdint>
#include <vector>

#include "host/device/device.hpp"
#include "host/methods/common/network.hpp"

namespace gamlp {

class Predictor {
 public:
  static constexpr std::int64_t kMaxRows = 4096;  // of a block, so that hidden layers need little memory

  // Allocates memory for networks of at most these widths (inputs, hidden …, classes) and for blocks of `rows` rows.
  Predictor(Device& device, const std::vector<std::int64_t>& widths, std::int64_t rows, const ActivationRule& f);

  // Uploads the weights. `network` must stay alive until the stream has passed this point.
  void enqueue_weights(Stream& stream, const Network& network);
  // Returns the scores (rows × classes) of inputs that lie on the device, at most `rows` rows. The next call overwrites
  // them.
  ConstMat enqueue_scores(Stream& stream, ConstMat x) const;

 private:
  struct Layer {
    Mat w, b;
  };

  ActivationRule activation_;
  std::int64_t rows_, hidden_;
  Buffer weights_, z_, y_;
  std::vector<Layer> layers_;
};

// Returns the scores of each row of x. `threads` threads of this machine's CPU compute them.
Matrix forward(const Network& network, const ActivationRule& f, ConstMat x, int threads = 1);

}  // namespace gamlp
