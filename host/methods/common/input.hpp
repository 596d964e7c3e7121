// What layer 1 trains on. With fewer training nodes than inputs (V < n0) the weights of layer 1 stay in the span of the
// training inputs. So V coordinates represent them exactly (docs/algorithm.md §5). The coordinates are one of
//   plain   x itself
//   qr      x = r q with orthonormal rows in q. Trains W' = W qᵀ on r (V × V). Then W = W' q.
//           For ADMM's gradient steps and gradient descent: steps along rᵀ are those along xᵀ.
//   kernel  W = cᵀ x₀ with x₀ = x − mean. Trains c on K = x₀ x₀ᵀ (V × V), see ops::KernelSolve (exact update).
// Evaluation uses the same coordinates for the other nodes. So no n0-wide product is left in the run.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "host/device/device.hpp"
#include "host/device/transport.hpp"
#include "host/methods/common/network.hpp"
#include "host/methods/common/settings.hpp"

namespace gamlp {

const char* input_kind_name(InputKind kind);

// Sizes of layer 1's input in the coordinates of `kind`.
struct InputShape {
  InputKind kind = InputKind::plain;
  std::int64_t nodes = 0;     // training nodes: V, or those of a shard
  std::int64_t inputs = 0;    // coordinates: n0, or V for qr and kernel
  std::int64_t features = 0;  // n0
  std::int64_t width = 0;     // outputs of layer 1
  std::int64_t first = 0;     // of a shard: its first training node
};

// The inputs of the training nodes on the host, and what turns other inputs into the same coordinates.
struct TrainingInput {
  InputKind kind = InputKind::plain;
  Matrix train;             // V × m: x, or r; kernel: K
  Matrix basis;             // qr: q, kernel: x₀ (V × n0); plain: empty
  std::vector<float> mean;  // kernel: mean of x's rows

  std::int64_t inputs() const { return train.cols(); }
  // Returns other nodes' inputs (rows × n0) in these coordinates.
  Matrix coordinates(Matrix x) const;
  // Turns layer 1, as StageProgram::enqueue_weights() leaves it (kernel: c, V × width), into outputs × inputs. In the
  // kernel form its W is cᵀ.
  void to_host_layout(LayerWeights& layer) const;
  // Scales initial weights of these coordinates, so that W has entries of the size that they were drawn with.
  void scale_initial(LayerWeights& layer) const;
  InputShape shape(std::int64_t width) const {
    return {kind, train.rows(), inputs(), kind == InputKind::plain ? inputs() : basis.cols(), width};
  }
  // Returns layer 1 for the original inputs: its W is outputs × n0.
  LayerWeights expanded(const LayerWeights& layer) const;
  // The opposite of expanded(). For qr and kernel it takes W's part in the span of the training inputs, which gives the
  // training nodes what W gives them. For kernel that is as good as float32 lets it, about 1e-4 of the largest output.
  LayerWeights reduced(LayerWeights layer) const;
  // Returns `train`, and for QR also the basis, times a fixed random vector each: V or 2 V numbers. They tell whether
  // a later run has the same inputs, and in the same coordinates. QR of inputs that differ by rounding may choose other
  // coordinates.
  std::vector<double> probe() const;
};

// Returns qr where it pays for `iterations` iterations of layer 1 with `width` outputs, else plain. `why` (optional)
// receives the reason for qr.
InputKind plain_or_qr(const ProblemShape& shape, std::int64_t width, std::int64_t iterations, std::string* why);
// Returns kernel where training nodes are fewer than inputs, else plain. `why` as above.
InputKind plain_or_kernel(const ProblemShape& shape, std::string* why);
TrainingInput make_training_input(Matrix x, InputKind kind);

// Memory for floats of nodes: of the device, or of the host where the context has a Staging that says so.
Buffer floats_of_nodes(const DeviceContext& context, std::int64_t count, const std::string& what, MemoryKind kind);

// Layer 1's input on a device that has this layer. It lives across stages. A method that computes something from the
// input once per run derives from this.
class DeviceInput {
 public:
  // Allocates x, except in the kernel form. There the method holds what layer 1 needs.
  DeviceInput(const DeviceContext& context, const InputShape& shape);
  virtual ~DeviceInput() = default;
  DeviceInput(const DeviceInput&) = delete;
  DeviceInput& operator=(const DeviceInput&) = delete;
  // Uploads the shard's nodes of `input`, which must stay alive until the stream has been synchronised. It is for
  // stages of networks of `layers` layers and more.
  virtual void enqueue_upload(Stream& stream, const TrainingInput& input, int layers);
  // A stage starts from `first`, layer 1 in the coordinates of `input`. Both must stay alive as above.
  virtual void enqueue_stage(Stream& stream, const TrainingInput& input, const LayerWeights& first);

  InputKind kind() const { return shape_.kind; }
  ConstMat x() const { return x_.mat(shape_.nodes, shape_.inputs); }

 protected:
  static Buffer floats(Device& device, std::int64_t count, const char* what, MemoryKind kind);
  static void upload(Stream& stream, ConstMat from, const Buffer& to);

  InputShape shape_;

 private:
  Buffer x_;
};

}  // namespace gamlp
