// What layer 1 trains on. With fewer training nodes than inputs (V < n0) the weights of layer 1 stay in the
// span of the training inputs, so V coordinates represent them exactly (algorithm.md §8, §9):
//   plain   x itself
//   qr      x = r q with orthonormal rows in q: train W' = W qᵀ on r (V × V); W = W' q
//           (ADMM's gradient steps and gradient descent: steps along rᵀ are those along xᵀ)
//   kernel  W = cᵀ x₀, x₀ = x − mean: train c on K = x₀ x₀ᵀ (V × V), see ops::KernelSolve (exact update)
// Evaluation uses the same coordinates for the other nodes, so no n0-wide product is left in the run.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "host/device/device.hpp"
#include "host/method/network.hpp"
#include "host/method/settings.hpp"

namespace gamlp {

const char* input_kind_name(InputKind kind);

// Sizes of layer 1's input in the coordinates of `kind`.
struct InputShape {
  InputKind kind = InputKind::plain;
  std::int64_t nodes = 0;     // training nodes V
  std::int64_t inputs = 0;    // coordinates: n0, or V for qr and kernel
  std::int64_t features = 0;  // n0
  std::int64_t width = 0;     // outputs of layer 1
};

struct TrainingInput {
  InputKind kind = InputKind::plain;
  Matrix train;             // V × m: x, or r; kernel: K
  Matrix basis;             // qr: q, kernel: x₀ (V × n0); plain: empty
  std::vector<float> mean;  // kernel: mean of x's rows

  std::int64_t inputs() const { return train.cols(); }
  // Other nodes' inputs (rows × n0) in these coordinates.
  Matrix coordinates(Matrix x) const;
  // Layer 1 as StageProgram::enqueue_weights() leaves it (kernel: c, V × width) → outputs × inputs.
  void to_host_layout(LayerWeights& layer) const;
  InputShape shape(std::int64_t width) const {
    return {kind, train.rows(), inputs(), kind == InputKind::plain ? inputs() : basis.cols(), width};
  }
  // Layer 1 for the original inputs.
  LayerWeights expanded(const LayerWeights& layer) const;
  // train, and for QR the basis, times a fixed random vector each: V or 2 V numbers. Tells other inputs from the same
  // ones, and the same inputs in other coordinates: QR of inputs that differ by rounding may choose other ones.
  std::vector<double> probe() const;
};

// The form that costs least for `iterations` iterations of the (resolved) update; its reason in `why`.
InputKind choose_input_kind(const ProblemShape& shape, Update update, std::int64_t width, std::int64_t iterations,
                            std::string* why = nullptr);
TrainingInput make_training_input(Matrix x, InputKind kind);

// Device memory of layer 1's input and of what is computed from it once per run. Lives on the first device,
// across stages.
class InputLayer {
 public:
  // Allocates; `update` resolved.
  InputLayer(Device& device, const InputShape& shape, Update update);
  // Uploads; for the exact update computes the factor, and for the kernel form starts c at the first layer
  // of `network`, `input` must stay alive until the stream has been synchronised.
  void enqueue_upload(Stream& stream, const TrainingInput& input, const MethodConfig& method, const Network& network);

  InputKind kind() const { return shape_.kind; }
  ConstMat x() const { return x_.mat(shape_.nodes, shape_.inputs); }
  // Of the original inputs' rows, 1 × n0; exact update only.
  ConstMat mean() const { return mean_.mat(1, shape_.features); }
  ConstMat factor() const { return factor_.mat(shape_.inputs, shape_.inputs); }
  MatView<const double> ridge() const { return ridge_.view<double>(1, 2); }
  // Kernel form: a = K c and c, V × width.
  Mat a() const { return a_.mat(shape_.nodes, shape_.width); }
  Mat c() const { return c_.mat(shape_.nodes, shape_.width); }

 private:
  InputShape shape_;
  Matrix c_start_;
  Buffer x_, mean_, factor_, ridge_, a_, c_;
};

}  // namespace gamlp
