#include "host/methods/common/predictor.hpp"

#include <algorithm>

#include "host/core/error.hpp"
#include "host/cpu/cpu_device.hpp"

namespace gamlp {
namespace {

// Floats of a tensor, so that the next one starts at a multiple of 16 bytes.
std::int64_t padded(std::int64_t count) { return (count + 3) / 4 * 4; }

const std::byte* bytes_of(const float* x) { return reinterpret_cast<const std::byte*>(x); }

}  // namespace

Predictor::Predictor(Device& device, const std::vector<std::int64_t>& widths, std::int64_t rows,
                     const ActivationRule& f)
    : activation_(f), rows_(rows), hidden_(*std::max_element(widths.begin() + 1, widths.end())) {
  std::int64_t weights = 0;
  for (std::size_t l = 1; l < widths.size(); ++l) weights += padded(widths[l] * widths[l - 1]) + padded(widths[l]);
  const auto floats = [&](std::int64_t count, const char* what, MemoryKind kind) {
    return device.allocate(static_cast<std::size_t>(count) * sizeof(float), what, kind);
  };
  weights_ = floats(weights, "weights of the evaluation", MemoryKind::weights);
  z_ = floats(rows_ * hidden_, "z of the evaluation", MemoryKind::workspace);
  y_ = floats(rows_ * hidden_, "y of the evaluation", MemoryKind::workspace);
}

void Predictor::enqueue_weights(Stream& stream, const Network& network) {
  layers_.clear();
  const auto capacity = static_cast<std::int64_t>(weights_.bytes() / sizeof(float));
  float* const memory = weights_.mat(1, capacity).data;
  std::int64_t used = 0;
  const auto place = [&](std::int64_t rows, std::int64_t cols, const float* values) {
    const Mat view{memory + used, rows, cols};
    used += padded(rows * cols);
    expects(used <= capacity, "a network of at most the widths that the predictor was made for");
    stream.enqueue(ops::Upload{bytes_of(values), as_bytes(view)});
    return view;
  };
  for (const LayerWeights& layer : network) {
    const Mat w = place(layer.w.rows(), layer.w.cols(), layer.w.data());
    layers_.push_back({w, place(1, static_cast<std::int64_t>(layer.b.size()), layer.b.data())});
  }
}

ConstMat Predictor::enqueue_scores(Stream& stream, ConstMat x) const {
  expects(x.rows <= rows_ && !layers_.empty(), "weights, and no more rows than there is room for");
  ConstMat input = x;
  for (const Layer& layer : layers_) {
    const bool last = &layer == &layers_.back();
    const std::int64_t width = layer.w.rows;
    expects(width <= hidden_ && layer.w.cols == input.cols, "layers that fit each other");
    const Mat z = z_.mat(x.rows, width), y = last ? Mat{} : y_.mat(x.rows, width);
    stream.enqueue(ops::Gemm{input, layer.w, z, false, true});
    stream.enqueue(ops::Forward{layer.b, z, y, activation_});
    input = last ? z : y;
  }
  return input;
}

Matrix forward(const Network& network, const ActivationRule& f, ConstMat x, int threads) {
  std::vector<std::int64_t> widths = {network.front().w.cols()};
  for (const LayerWeights& layer : network) widths.push_back(layer.w.rows());
  Matrix scores(x.rows, widths.back());
  CpuDevice device(0, threads);
  const auto stream = device.create_stream("forward", StreamKind::compute);
  Predictor predictor(device, widths, std::min(Predictor::kMaxRows, x.rows), f);
  predictor.enqueue_weights(*stream, network);
  for (std::int64_t first = 0; first < x.rows; first += Predictor::kMaxRows) {
    // A CPU worker's memory is the host's.
    const ConstMat block{x.row(first), std::min(Predictor::kMaxRows, x.rows - first), x.cols};
    const ConstMat out = predictor.enqueue_scores(*stream, block);
    stream->synchronize();
    std::copy_n(out.data, out.size(), scores.row(first));
  }
  return scores;
}

}  // namespace gamlp
