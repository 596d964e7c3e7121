// Tensors of one case of the conformance suite on one device: filled with the same random values on every device,
// each between sentinels, and afterwards read back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "host/device/device.hpp"
#include "host/device/ops.hpp"
#include "host/math/random.hpp"

namespace gamlp::conformance {

// How far a device's values may be from the CPU's: |x − y| <= eps (|y| + scale). eps 0: the same bits.
struct Bound {
  double eps = 0.0, scale = 0.0;
  std::int64_t lower = 0;  // columns of a matrix of which only the lower triangle is defined; 0: all of it is
};

class Arena {
 public:
  // `host_memory`: the device's memory can be read and written directly; AddressSanitizer then guards the sentinels.
  Arena(Device& device, Stream& stream, std::uint64_t seed, bool host_memory)
      : device_(device), stream_(stream), random_(seed), host_memory_(host_memory) {}
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // Inputs and what an op changes in place: normal values.
  Mat normal(const char* name, std::int64_t rows, std::int64_t cols, Bound bound = {}, double scale = 1.0);
  // What an op writes without reading it: NaN first.
  Mat output(const char* name, std::int64_t rows, std::int64_t cols, Bound bound = {});
  MatView<double> scalars(const char* name, std::vector<double> values, Bound bound = {});
  MatView<double> scalar_output(const char* name, std::int64_t count, Bound bound);
  MatView<std::int32_t> labels(const char* name, std::int64_t count, std::int64_t classes);
  MatView<std::uint32_t> counter(const char* name, std::uint32_t value);
  MatView<std::int32_t> integers(const char* name, std::int64_t rows, const std::vector<std::int32_t>& x);
  Bytes bytes(const char* name, std::int64_t count);
  Bytes bytes(const char* name, const std::vector<std::byte>& x);
  // Values given, e.g. a positive definite matrix.
  Mat values(const char* name, std::int64_t rows, std::int64_t cols, const std::vector<float>& x, Bound bound = {});
  Random& random() { return random_; }
  // Normal values; of many the first 250,007 again and again, since drawing them takes longer than the op.
  std::vector<float> normals(std::int64_t count, double scale = 1.0);

  // Uploads all tensors; runs `op`; reads all back.
  void run(const Op& op);

  enum class Type { float32, float64, other };
  struct Tensor {
    std::string name;
    Type type;
    Bound bound;
    std::vector<std::byte> contents;  // between the sentinels
    Buffer memory;
    bool guards_intact = true;
  };
  const std::vector<Tensor>& tensors() const { return tensors_; }

 private:
  template <class T>
  MatView<T> add(const char* name, std::int64_t rows, std::int64_t cols, Type type, Bound bound, const T* values);
  void guard(const Tensor& tensor, bool on) const;

  Device& device_;
  Stream& stream_;
  Random random_;
  bool host_memory_;
  std::vector<Tensor> tensors_;
};

}  // namespace gamlp::conformance
