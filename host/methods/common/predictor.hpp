// The model's forward pass on a device (docs/algorithm.md §1): class scores of rows of inputs, a block of rows at a
// time.
#pragma once

#include <cstdint>
#include <vector>

#include "host/device/device.hpp"
#include "host/methods/common/network.hpp"

namespace gamlp {

class Predictor {
 public:
  static constexpr std::int64_t kMaxRows = 4096;  // of a block, so that hidden layers need little memory

  // Memory for networks of at most these widths (inputs, hidden …, classes) and for blocks of `rows` rows.
  Predictor(Device& device, const std::vector<std::int64_t>& widths, std::int64_t rows, const ActivationRule& f);

  // Uploads weights, which must stay until the stream has passed this.
  void enqueue_weights(Stream& stream, const Network& network);
  // Scores (rows × classes) of inputs on the device, at most `rows` rows; they last until the next call.
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

// Scores of each row of x, computed on this machine's CPU by `threads` threads.
Matrix forward(const Network& network, const ActivationRule& f, ConstMat x, int threads = 1);

}  // namespace gamlp
