// Runs single ops on a CPU device and watches what they touch: every buffer stands between sentinels, and views that an
// op declares const must come back unchanged.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "host/cpu/cpu_device.hpp"
#include "host/math/random.hpp"
#include "tests/reference/training.hpp"
#include "tests/support/catch.hpp"

namespace gamlp::test {

struct Shape {
  std::int64_t v, n, m;  // nodes, inputs, outputs
};

// One node, one neuron, odd widths, more than one tile of 1,024 values and more than 128 rows.
inline std::vector<Shape> shapes() {
  return {{1, 1, 1}, {1, 7, 3}, {3, 1, 2}, {2, 3, 1}, {17, 5, 9}, {130, 33, 31}, {257, 64, 50}, {1100, 3, 1}};
}

class OpBench {
 public:
  OpBench() : device_(0, 1), stream_(device_.create_stream("compute", StreamKind::compute)) {}

  template <class T>
  MatView<T> make(std::int64_t rows, std::int64_t cols) {
    constexpr std::size_t kGuard = 64;
    const std::size_t bytes = static_cast<std::size_t>(rows * cols) * sizeof(T);
    Buffer buffer = device_.allocate(kGuard + bytes + kGuard, "test", MemoryKind::data);
    std::byte* data = buffer.raw(buffer.bytes()).data;
    std::memset(data, 0xA5, buffer.bytes());
    guarded_.push_back({std::move(buffer), bytes});
    std::memset(data + kGuard, 0, bytes);
    return {reinterpret_cast<T*>(data + kGuard), rows, cols};
  }
  Mat zeros(std::int64_t rows, std::int64_t cols) { return make<float>(rows, cols); }
  Mat normal(std::int64_t rows, std::int64_t cols, double scale = 1.0) {
    Mat x = zeros(rows, cols);
    for (float& value : x.flat()) value = static_cast<float>(scale * random.normal());
    return x;
  }
  Scalar scalar(double value = 0.0) {
    Scalar s = make<double>(1, 1);
    *s.data = value;
    return s;
  }

  template <class Op>
  void run(const Op& op) {
    INFO("op " << Op::name);
    std::vector<std::pair<const void*, std::vector<std::byte>>> before;
    op.views([&]<class T>(const char*, MatView<T> view) {
      if (!std::is_const_v<T> || view.data == nullptr) return;
      const auto* bytes = reinterpret_cast<const std::byte*>(view.data);
      before.emplace_back(bytes, std::vector<std::byte>(bytes, bytes + view.size() * sizeof(T)));
    });
    stream_->enqueue(gamlp::Op(op));
    for (const auto& [data, bytes] : before) {
      if (!bytes.empty()) CHECK(std::memcmp(data, bytes.data(), bytes.size()) == 0);
    }
    check_guards();
  }

  void check_guards() const {
    bool intact = true;
    for (const Guarded& g : guarded_) {
      const std::byte* data = g.buffer.raw(g.buffer.bytes()).data;
      for (std::size_t i = 0; i < 64; ++i) {
        intact = intact && data[i] == std::byte{0xA5} && data[64 + g.bytes + i] == std::byte{0xA5};
      }
    }
    CHECK(intact);
  }

  Random random{1};
  CpuDevice& device() { return device_; }

 private:
  struct Guarded {
    Buffer buffer;
    std::size_t bytes;
  };
  CpuDevice device_;
  std::unique_ptr<Stream> stream_;
  std::vector<Guarded> guarded_;
};

inline reference::Dense dense(ConstMat x) {
  reference::Dense out(x.rows, x.cols);
  std::copy(x.data, x.data + x.size(), out.values.begin());
  return out;
}

// |x| element by element: what a sum's rounding is proportional to.
inline reference::Dense magnitudes(reference::Dense x) {
  for (double& value : x.values) value = std::abs(value);
  return x;
}

// One rounding of float32.
inline constexpr double kEps = 0x1p-24;
// Bound on the rounding of a sum of k products: k in the worst case; five standard deviations of random errors are
// sqrt(k) with room for the roundings of the terms.
inline double sum_eps(std::int64_t k) { return kEps * (4.0 + 5.0 * std::sqrt(static_cast<double>(k))); }

// Every |x − expected| <= eps · scale, scale per element.
inline void check_close(ConstMat x, const reference::Dense& expected, const reference::Dense& scale, double eps,
                        const char* what) {
  REQUIRE(x.rows == expected.rows);
  REQUIRE(x.cols == expected.cols);
  double worst = 0.0, allowed = 0.0;
  bool good = true;
  for (std::size_t i = 0; i < expected.values.size(); ++i) {
    const double error = std::abs(static_cast<double>(x.data[i]) - expected.values[i]);
    const double bound = eps * scale.values[i] + 1e-37;
    if (!(error <= bound) && (good || error / bound > worst / allowed)) good = false, worst = error, allowed = bound;
  }
  INFO(what << ": off by " << worst << ", allowed " << allowed);
  CHECK(good);
}

// The same with the expected magnitude (plus `extra`) as scale.
inline void check_close(ConstMat x, const reference::Dense& expected, double extra, double eps, const char* what) {
  reference::Dense scale = magnitudes(expected);
  for (double& value : scale.values) value += extra;
  check_close(x, expected, scale, eps, what);
}

inline void check_scalar(ConstScalar x, double expected, double scale, double eps, const char* what) {
  INFO(what << ": " << *x.data << ", expected " << expected);
  CHECK(std::abs(*x.data - expected) <= eps * scale + 1e-37);
}

inline reference::Activation reference_of(const ActivationRule& rule) {
  if (rule.kind == Activation::tanh) return {reference::Activation::tanh, 0.0};
  return {reference::Activation::leaky, static_cast<double>(rule.slope)};
}

// How much above the minimum the value of a proximal step may lie: values are rounded to float32, and for tanh, which
// is off by 3e-7, two minima that nearly tie are told apart on a grid of k (|c| + 1)/16 only (prox.hpp).
inline double prox_slack(const ActivationRule& f, double m, double c, double k) {
  const double rounding = 1e-6 * (1.0 + std::abs(c)) * (1.0 + m * m);
  if (f.kind != Activation::tanh) return rounding;
  const double half_step = k * (std::abs(c) + 1.0) / 32.0;
  return 3.0 * rounding + half_step * half_step * (1.0 + k * (2.0 + std::abs(c)));
}

inline std::vector<ActivationRule> activations() {
  return {{Activation::relu, 0.0f}, {Activation::leaky_relu, 0.1f}, {Activation::tanh, 0.0f}};
}

}  // namespace gamlp::test
