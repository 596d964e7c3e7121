#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "host/cpu/cpu_ops.hpp"
#include "host/device/compress_layout.hpp"
#include "tests/conformance/suite.hpp"

namespace gamlp::conformance {
namespace {

struct Shape {
  std::int64_t v, n, m;  // nodes, inputs, outputs
  std::string text() const { return std::to_string(v) + " x " + std::to_string(n) + " x " + std::to_string(m); }
};

// One node, one neuron, odd widths, widths of 16-byte rows and others, several blocks of threads.
std::vector<Shape> shapes(const Sizes& sizes) {
  std::vector<Shape> list = {{1, 1, 1}, {1, 7, 3}, {3, 1, 2}, {2, 3, 1}, {17, 5, 9}, {40, 33, 31}, {67, 64, 52}};
  if (sizes.large) {
    for (const Shape& s : std::vector<Shape>{{1100, 3, 1}, {2708, 100, 100}, {5003, 401, 256}, {9000, 1000, 1000}}) {
      list.push_back(s);
    }
  }
  return list;
}

constexpr double kEps = 0x1p-24;

// A sum of terms of one sign in another order. The CPU adds up to 4,096 of them one after the other in float32, whose
// roundings may have a common sign where terms are equal (changes of a few codes): a quarter of the worst case.
constexpr double kSumEps = 1024 * kEps;
Bound sum_bound() { return {kSumEps, 0.0}; }
// A sum of n terms of either sign, each about `size`: relative to the sum of magnitudes.
Bound signed_sum_bound(std::int64_t n, double size) { return {kSumEps, size * static_cast<double>(n)}; }
// A product's entries: k products of normal values, whose partial sums grow like sqrt(k).
Bound product_bound(std::int64_t k, double size, double eps) {
  const double terms = static_cast<double>(k);
  return {kEps * eps, size * (4.0 * std::sqrt(terms) + 6.0 * terms)};
}

std::vector<ActivationRule> activations() {
  return {{Activation::relu, 0.0f}, {Activation::leaky_relu, 0.1f}, {Activation::tanh, 0.0f}};
}
std::string text(const ActivationRule& f) {
  return f.kind == Activation::relu ? " relu" : f.kind == Activation::tanh ? " tanh" : " leaky_relu";
}

struct Format {
  WireFormat wire;
  Rounding rounding = Rounding::nearest;
  bool feedback = false, message = true;

  std::string text() const {
    if (!wire.quantized()) return message ? " float32" : " float32, no message";
    std::string out = " " + std::to_string(wire.bits) + (wire.bits == 1 ? " bit" : " bits");
    out += wire.coding == Coding::value ? " values" : " differences";
    out += wire.range == Range::fixed    ? " fixed"
           : wire.range == Range::tensor ? " tensor"
                                         : " block " + std::to_string(wire.block);
    if (rounding == Rounding::stochastic) out += " stochastic";
    if (feedback) out += " feedback";
    return message ? out : out + ", no message";
  }
  // The scale of 1-bit differences is a mean, which is summed in another order.
  bool summed_scale() const {
    return wire.bits == 1 && wire.coding == Coding::difference && wire.range != Range::fixed;
  }
  // Of x̂ and of what is computed from it.
  Bound bound() const { return summed_scale() ? Bound{64 * kEps, 4.0} : Bound{}; }
};

WireFormat wire(int bits, Coding coding, Range range, std::int64_t block = 64) {
  WireFormat format;
  format.bits = bits, format.coding = coding, format.range = range, format.block = block;
  if (range == Range::fixed) {
    format.grid_min = -3.0f, format.grid_max = 3.0f, format.grid_levels = static_cast<std::int32_t>(1 << bits);
  }
  return format;
}

// Every width, coding and range; roundings, feedback and block sizes on some of them.
std::vector<Format> formats() {
  std::vector<Format> list = {{wire(32, Coding::value, Range::tensor)},
                              {wire(32, Coding::value, Range::tensor), Rounding::nearest, false, false}};
  for (const int bits : {1, 2, 4, 8, 16}) {
    for (const Coding coding : {Coding::value, Coding::difference}) {
      for (const Range range : {Range::fixed, Range::tensor, Range::block}) {
        Format format{wire(bits, coding, range)};
        list.push_back(format);
        if (bits == 4 || (bits == 1 && coding == Coding::value)) {
          format.rounding = Rounding::stochastic;
          list.push_back(format);
        }
        if (bits == 2 && coding == Coding::value) {
          format.feedback = true;
          list.push_back(format);
        }
      }
    }
  }
  for (const std::int64_t block : {16, 32, 128, 256, 512, 1024, 2048, 4096}) {
    list.push_back({wire(block % 3 == 1 ? 8 : 2, Coding::difference, Range::block, block)});
    list.push_back({wire(4, Coding::value, Range::block, block), Rounding::nearest, false, block != 128});
  }
  return list;
}

// What an op needs to quantise a tensor of `values` values.
Quantize quantize(Arena& arena, const Format& f, std::int64_t values) {
  Quantize q;
  q.format = f.wire;
  q.rounding = f.rounding;
  q.key = 77;
  q.first = 12;
  q.iteration = arena.counter("iteration", 5);
  const Bound bound = f.summed_scale() ? Bound{16 * kEps, 0.0} : Bound{};
  if (f.wire.quantized()) q.scales = arena.output("scales", 1, f.wire.scale_floats(values), bound);
  if (f.feedback) q.feedback = arena.normal("feedback", 1, values, {}, 0.1);
  // The scales in the message are those above; where they may differ, it is not compared byte by byte.
  if (f.message && !f.summed_scale()) q.message = arena.bytes("message", f.wire.message_bytes(values));
  return q;
}

struct Suite {
  const Sizes& sizes;
  std::vector<Case> list;

  template <class Build>
  void add(const std::string& op, const std::string& what, Build build) {
    list.push_back({op, what, [build](Arena& arena) { return Op(build(arena)); }});
  }

  void both_updates(const Shape& s);
  void gradient(const Shape& s);
  void softmax(std::int64_t v, std::int64_t classes);
  void backprop(const Shape& s);
  void exact(const Shape& s);
  void codec(std::int64_t v, std::int64_t n, const Format& f);
  void collective(const std::vector<int>& branches, std::int64_t values);
  void compress(const std::vector<std::int64_t>& tensors, std::int64_t block, int bits, int members, int member);
  void largest(const std::vector<std::int64_t>& tensors, std::int64_t block, double share, int members);
  void orthogonalize(std::int64_t rows, std::int64_t columns, std::int64_t dependent);
  void hash(std::int64_t values);
  void replicas(std::int64_t values);
};

void Suite::both_updates(const Shape& s) {
  const std::string what = s.text();
  const double eps = sizes.product_eps;
  for (const bool ta : {false, true}) {
    for (const bool tb : {false, true}) {
      add("gemm", what + (ta ? " ta" : "") + (tb ? " tb" : ""), [=](Arena& a) {
        const Mat x = a.normal("a", ta ? s.n : s.v, ta ? s.v : s.n), y = a.normal("b", tb ? s.m : s.n, tb ? s.n : s.m);
        return ops::Gemm{x, y, a.normal("c", s.v, s.m, product_bound(s.n, 1.0, eps)), ta, tb, 0.7f, 0.3f};
      });
    }
  }
  add("gemm", what + " into NaN", [=](Arena& a) {
    const Mat x = a.normal("a", s.v, s.n), y = a.normal("b", s.n, s.m);
    return ops::Gemm{x, y, a.output("c", s.v, s.m, product_bound(s.n, 1.0, eps))};
  });
  add("gram", what, [=](Arena& a) {
    const Mat x = a.normal("x", s.v, s.n);
    return ops::Gram{x, a.output("out", s.n, s.n, product_bound(s.v, 1.0, eps))};
  });
  if (s.v <= 3000) {
    add("outer_gram", what, [=](Arena& a) {
      const Mat x = a.normal("x", s.v, s.n);
      return ops::OuterGram{x, a.output("out", s.v, s.v, product_bound(s.n, 1.0, eps))};
    });
  }
  add("copy", what, [=](Arena& a) {
    const Mat x = a.normal("in", s.v, s.n);
    return ops::Copy{as_bytes(ConstMat(x)), as_bytes(a.output("out", s.v, s.n))};
  });
  add("zero", what, [=](Arena& a) { return ops::Zero{as_bytes(a.output("out", s.v, s.n))}; });
  add("tick", what, [=](Arena& a) { return ops::Tick{a.counter("iteration", 41)}; });
  for (const ActivationRule& f : activations()) {
    add("forward", what + text(f), [=](Arena& a) {
      const Mat b = a.normal("b", 1, s.m), z = a.normal("z", s.v, s.m);
      return ops::Forward{b, z, a.output("y", s.v, s.m), f};
    });
    add("forward", what + text(f) + ", in place", [=](Arena& a) {
      const Mat b = a.normal("b", 1, s.m);
      return ops::Forward{b, a.normal("z", s.v, s.m), {}, f, true};
    });
  }
  add("forward", what + ", no y", [=](Arena& a) {
    const Mat b = a.normal("b", 1, s.m);
    return ops::Forward{b, a.normal("z", s.v, s.m), {}, {Activation::relu, 0.0f}};
  });
  add("dot", what, [=](Arena& a) {
    const Mat x = a.normal("a", s.v, s.m), y = a.normal("b", s.v, s.m);
    return ops::Dot{x, y, a.scalar_output("out", 1, signed_sum_bound(s.v * s.m, 1.0))};
  });
  add("dot", what + ", a norm", [=](Arena& a) {
    const Mat x = a.normal("a", s.v, s.m);
    return ops::Dot{x, x, a.scalar_output("out", 1, sum_bound())};
  });
  add("distance2", what, [=](Arena& a) {
    const Mat x = a.normal("a", s.v, s.m), y = a.normal("b", s.v, s.m);
    return ops::Distance2{x, y, a.scalar_output("out", 1, sum_bound())};
  });
  add("column_mean", what, [=](Arena& a) {
    const Mat x = a.normal("x", s.v, s.m);
    return ops::ColumnMean{x, a.output("mean", 1, s.m, signed_sum_bound(1, 1.0)), s.v % 2 == 0 ? 3 * s.v : 0};
  });
}

StepSize step_size(Arena& a) { return {a.scalars("gradient2", {3.0}), a.scalars("image2", {20.0}), 0.01, 0.02}; }

void Suite::gradient(const Shape& s) {
  const std::string what = s.text();
  add("p_gradient", what, [=](Arena& a) {
    const Mat g = a.normal("g", s.v, s.n), u = a.normal("u", s.v, s.n), p = a.normal("p", s.v, s.n),
              q = a.normal("q", s.v, s.n);
    return ops::PGradient{g, u, p, q, 0.3f, a.scalar_output("norm2", 1, sum_bound())};
  });
  add("descent", what, [=](Arena& a) {
    const StepSize step = step_size(a);
    const Mat x = a.normal("x", s.v, s.n), y = a.normal("y", s.v, s.n);
    return ops::Descent{step, x, y, a.scalar_output("tau", 1, {})};
  });
  add("descent", what + ", no gradient", [=](Arena& a) {
    const StepSize step{a.scalars("gradient2", {0.0}), a.scalars("image2", {0.0}), 0.01, 0.0};
    const Mat x = a.normal("x", s.v, s.n);
    return ops::Descent{step, x, a.normal("y", s.v, s.n), {}};
  });
  add("residual_add", what, [=](Arena& a) {
    const Mat d = a.normal("d", s.v, s.m), r = a.normal("r", s.v, s.m);
    return ops::ResidualAdd{d, r, a.scalar_output("norm2", 1, sum_bound())};
  });
  add("w_gradient", what, [=](Arena& a) {
    const Mat w = a.normal("w", s.m, s.n), g = a.normal("g", s.m, s.n);
    return ops::WGradient{w, g, 0.05f, a.scalar_output("norm2", 1, sum_bound())};
  });
  for (const double change2 : {2.0, 0.0}) {
    add("tau_update", what + (change2 > 0.0 ? "" : ", nothing moved"), [=](Arena& a) {
      const MatView<double> change = a.scalars("change2", {change2}), image = a.scalars("image2", {12.0});
      return ops::TauUpdate{change, image, a.scalars("tau", {10.0}), 0.5, 2.0, 0.9};
    });
  }
  add("residual_bias", what, [=](Arena& a) {
    const StepSize step = step_size(a);
    const Mat d = a.normal("d", s.v, s.m), r = a.normal("r", s.v, s.m);
    const Mat mean = a.output("mean", 1, s.m, signed_sum_bound(1, 1.0));
    return ops::ResidualBias{step, d, r, mean, a.normal("b", 1, s.m, signed_sum_bound(1, 2.0))};
  });
  add("residual_bias", what + ", a block", [=](Arena& a) {
    const StepSize step = step_size(a);
    const Mat d = a.normal("d", s.v, s.m), r = a.normal("r", s.v, s.m);
    return ops::ResidualBias{step, d, r, {}, {}, a.scalar_output("sums", s.m, signed_sum_bound(s.v, 1.0))};
  });
  add("bias_step", what, [=](Arena& a) {
    std::vector<double> sums(static_cast<std::size_t>(s.m));
    for (double& sum : sums) sum = a.random().normal();
    const MatView<double> in = a.scalars("sums", sums);
    return ops::BiasStep{in, a.output("mean", 1, s.m), a.normal("b", 1, s.m), 3};
  });
  for (const ActivationRule& f : activations()) {
    add("z_step", what + text(f), [=](Arena& a) {
      const Mat r = a.normal("r", s.v, s.m), z = a.normal("z", s.v, s.m), mean = a.normal("mean", 1, s.m),
                q = a.normal("q", s.v, s.m);
      return ops::ZStep{r, z, mean, q, f, a.scalar_output("linear2", 1, sum_bound())};
    });
  }
}

void Suite::backprop(const Shape& s) {
  const std::string what = s.text();
  for (const ActivationRule& f : activations()) {
    add("activation_gradient", what + text(f), [=](Arena& a) {
      const Mat y = a.normal("y", s.v, s.m);
      return ops::ActivationGradient{y, a.normal("g", s.v, s.m), f};
    });
  }
  for (const std::int64_t first : {std::int64_t{0}, s.m, (std::int64_t{1} << 32) - 3}) {
    add("dropout", what + ", from " + std::to_string(first), [=](Arena& a) {
      const Mat x = a.normal("in", s.v, s.m), y = a.normal("out", s.v, s.m);
      return ops::Dropout{x, y, a.counter("iteration", 7), 0x1234567u, 0.3, first};
    });
  }
  add("dropout", what + ", in place", [=](Arena& a) {
    const Mat x = a.normal("in and out", s.v, s.m);
    return ops::Dropout{{}, x, a.counter("iteration", 8), 0x1234567u, 0.6, 0};
  });
  for (const bool labels : {true, false}) {
    for (const std::uint32_t iteration : {0u, 7u}) {
      add("gather_batch", what + (labels ? ", labels" : "") + ", step " + std::to_string(iteration), [=](Arena& a) {
        const std::int64_t count = std::max<std::int64_t>(s.v / 2, 1), first = s.v - count;
        const Mat x = iteration > 0 || !labels ? a.normal("x", s.v, s.n) : Mat{};
        const Mat out = x.data != nullptr ? a.output("out", count, s.n) : Mat{};
        const auto of = labels ? a.labels("labels", s.v, 5) : MatView<std::int32_t>{};
        const auto chosen = labels ? a.labels("chosen", count, 1) : MatView<std::int32_t>{};
        return ops::GatherBatch{x, out, of, chosen, a.counter("iteration", iteration), 99u, 3, first};
      });
    }
  }
  add("add_scalars", what, [=](Arena& a) {
    const MatView<double> x = a.scalars("x", {1.5, -2.0, 0.3}), y = a.scalars("y", {4.0, 0.1, 7.0});
    return ops::AddScalars{x, y};
  });
  const std::vector<std::pair<Optimizer, std::string>> rules = {{Optimizer::gd, " gd"},
                                                                {Optimizer::nesterov, " nesterov"},
                                                                {Optimizer::adadelta, " adadelta"},
                                                                {Optimizer::adagrad, " adagrad"},
                                                                {Optimizer::adam, " adam"}};
  for (const auto& [kind, name] : rules) {
    for (const std::uint32_t steps : {0u, 1234u}) {
      const bool decoupled = kind == Optimizer::adam && steps > 0, scheduled = kind != Optimizer::gd;
      add("optimizer_step", what + name + ", step " + std::to_string(steps), [=, kind = kind](Arena& a) {
        // What is kept is never negative where it is a mean square.
        const auto kept = [&](const char* name_of_kept, bool wanted) {
          if (!wanted) return Mat{};
          std::vector<float> values(static_cast<std::size_t>(s.m * s.n));
          for (float& value : values) value = static_cast<float>(std::fabs(a.random().normal()));
          return a.values(name_of_kept, s.m, s.n, values);
        };
        const OptimizerRule rule{kind, 0.1, 0.9, kind == Optimizer::adadelta ? 0.9 : 0.999, 1e-8, 0.01, decoupled};
        const Mat g = a.normal("g", s.m, s.n), w = a.normal("w", s.m, s.n);
        const int count = optimizer_keeps(kind);
        const Mat first = kept("first", count > 0), second = kept("second", count > 1);
        const auto rates = scheduled ? a.scalars("rates", {0.3, 0.2, 0.05}) : MatView<double>{};
        return ops::OptimizerStep{rule, g, w, first, second, a.counter("iteration", steps), rates};
      });
    }
  }
}

// ||z − z*|| <= ||g||/ν with the stopping rule of softmax_prox.hpp, on both sides.
Bound softmax_bound(std::int64_t classes, double nu) {
  const double size = 8.0, c = static_cast<double>(classes);
  return {1.0, 2.0 * std::sqrt(c) * (1.5e-6 + nu * size * 2e-6 + c * kEps) / nu};
}

void Suite::softmax(std::int64_t v, std::int64_t classes) {
  const std::string what = std::to_string(v) + " x " + std::to_string(classes);
  add("correct", what, [=](Arena& a) {
    std::vector<float> x(static_cast<std::size_t>(v * classes));
    for (float& value : x) {  // few different values, so that several are the largest; now and then NaN
      const auto step = a.random().below(9);
      value = step == 8 ? std::numeric_limits<float>::quiet_NaN() : static_cast<float>(step);
    }
    const Mat scores = a.values("scores", v, classes, x);
    const auto labels = a.labels("labels", v, classes);
    return ops::Correct{scores, labels, a.scalar_output("count", 1, {})};
  });
  const double nu = 0.2;
  Bound bound = softmax_bound(classes, nu);
  bound.eps = 1e-9;  // the distance is absolute
  bound.scale = softmax_bound(classes, nu).scale / bound.eps;
  const Bound risk{1e-5, bound.scale * bound.eps * 1e5 * static_cast<double>(v)};
  add("softmax_step", what, [=](Arena& a) {
    const Mat r = a.normal("r", v, classes, bound), z = a.normal("z", v, classes, bound);
    const Mat mean = a.normal("mean", 1, classes);
    const auto labels = a.labels("labels", v, classes);
    const Scalar total = a.scalar_output("risk", 1, risk);
    return ops::SoftmaxStep{r, z, mean, labels, static_cast<float>(nu), total, a.scalar_output("linear2", 1, risk)};
  });
  // A lane's sum of exponentials is in another order; the CPU adds up the nodes one after the other in double.
  add("softmax_gradient", what, [=](Arena& a) {
    const Mat z = a.normal("z", v, classes, {}, 3.0);
    const Mat g = a.output("g", v, classes, {kEps * (8.0 + static_cast<double>(classes)), 1.0});
    const auto labels = a.labels("labels", v, classes);
    return ops::SoftmaxGradient{z, g, labels, a.scalar_output("risk", 1, signed_sum_bound(v, 8.0))};
  });
  add("softmax_exact", what, [=](Arena& a) {
    const Mat x = a.normal("a", v, classes), b = a.normal("b", 1, classes), z = a.normal("z", v, classes, bound),
              multiplier = a.normal("v", v, classes, bound), t = a.output("t", v, classes, bound);
    const auto labels = a.labels("labels", v, classes);
    const Scalar total = a.scalar_output("risk", 1, risk);
    return ops::SoftmaxExact{
        x, b, z, multiplier, t, labels, static_cast<float>(nu), 0.3f, total, a.scalar_output("linear2", 1, risk)};
  });
}

// A well conditioned positive definite matrix: I + X Xᵀ/n.
std::vector<float> positive_definite(Random& random, std::int64_t n) {
  std::vector<double> x(static_cast<std::size_t>(n * n));
  for (double& value : x) value = random.normal();
  std::vector<float> out(x.size());
  for (std::int64_t i = 0; i < n; ++i) {
    for (std::int64_t j = 0; j <= i; ++j) {
      double sum = i == j ? 1.0 : 0.0;
      for (std::int64_t k = 0; k < n; ++k) {
        sum += x[static_cast<std::size_t>(i * n + k)] * x[static_cast<std::size_t>(j * n + k)] / static_cast<double>(n);
      }
      out[static_cast<std::size_t>(i * n + j)] = out[static_cast<std::size_t>(j * n + i)] = static_cast<float>(sum);
    }
  }
  return out;
}

void Suite::exact(const Shape& s) {
  const std::string what = s.text();
  const auto factor_of = [](Arena& a, std::int64_t n) {  // of a fixed matrix, by the host
    std::vector<float> x = positive_definite(a.random(), n);
    for (std::int64_t j = 0; j < n; ++j) {
      double diagonal = static_cast<double>(x[static_cast<std::size_t>(j * n + j)]);
      for (std::int64_t k = 0; k < j; ++k) {
        const double y = static_cast<double>(x[static_cast<std::size_t>(j * n + k)]);
        diagonal -= y * y;
      }
      x[static_cast<std::size_t>(j * n + j)] = static_cast<float>(std::sqrt(diagonal));
      for (std::int64_t i = j + 1; i < n; ++i) {
        double sum = static_cast<double>(x[static_cast<std::size_t>(i * n + j)]);
        for (std::int64_t k = 0; k < j; ++k) {
          sum -= static_cast<double>(x[static_cast<std::size_t>(i * n + k)]) *
                 static_cast<double>(x[static_cast<std::size_t>(j * n + k)]);
        }
        x[static_cast<std::size_t>(i * n + j)] =
            static_cast<float>(sum / static_cast<double>(x[static_cast<std::size_t>(j * n + j)]));
      }
    }
    return x;
  };
  // Solutions by a factor of a matrix with condition below 10.
  const double eps = sizes.product_eps;
  const auto solution = [eps](std::int64_t n, double size) { return product_bound(n, 40.0 * size, eps); };
  const auto triangle = [=](std::int64_t n) {
    Bound bound = solution(n, 1.0);
    bound.lower = n;
    return bound;
  };
  add("p_inputs", what, [=](Arena& a) {
    const Mat t = a.normal("t", s.v, s.m), b = a.normal("b", 1, s.m), q = a.normal("q", s.v, s.n),
              u = a.normal("u", s.v, s.n);
    const Mat x1 = a.output("x1", s.v, s.m);
    return ops::PInputs{t, b, q, u, x1, a.output("x2", s.v, s.n), 0.4f};
  });
  add("centre", what, [=](Arena& a) {
    const Mat x = a.normal("x", s.v, s.m), mean = a.normal("mean", 1, s.m);
    return ops::Centre{x, mean, a.output("out", s.v, s.m)};
  });
  add("w_anchor", what, [=](Arena& a) {
    const MatView<double> ridge = a.scalars("ridge", {0.5, 0.25});
    return ops::WAnchor{a.normal("w", s.m, s.n), ridge, 0.01};
  });
  add("bias_of_means", what, [=](Arena& a) {
    const Mat w = a.normal("w", s.m, s.n), p = a.normal("p_mean", 1, s.n), t = a.normal("t_mean", 1, s.m);
    return ops::BiasOfMeans{w, p, t, a.output("b", 1, s.m, {4 * kEps, 4.0})};
  });
  if (s.n > 500) return;  // the host's factors below are naive
  add("p_operators", what, [=](Arena& a) {
    const Mat w = a.normal("w", s.m, s.n, {}, 1.0 / std::sqrt(static_cast<double>(s.n + s.m)));
    const Mat k1 = a.output("k1", s.m, s.n, solution(s.n, 1.0));
    return ops::POperators{w, k1, a.output("k2", s.n, s.n, solution(s.n, 1.0)), 0.8f, 0.9f};
  });
  add("w_factor", what, [=](Arena& a) {
    const Mat factor = a.values("factor", s.n, s.n, positive_definite(a.random(), s.n), triangle(s.n));
    const Mat mean = a.normal("p_mean", 1, s.n, {}, 0.01);
    return ops::WFactor{factor, mean, a.scalar_output("ridge", 2, sum_bound()), 3, 0.9, 0.5, 0.25, 0.01};
  });
  add("w_solve", what, [=](Arena& a) {
    const Mat factor = a.values("factor", s.n, s.n, factor_of(a, s.n));
    const Mat p = a.normal("p_mean", 1, s.n), t = a.normal("t_mean", 1, s.m);
    const MatView<double> ridge = a.scalars("ridge", {0.5, 0.25});
    const Mat rhs = a.normal("rhs", s.m, s.n, solution(s.n, 4.0)), w = a.normal("w", s.m, s.n, solution(s.n, 4.0));
    return ops::WSolve{factor, p, t, ridge, rhs, w, a.output("b", 1, s.m, solution(s.n, 8.0)), 3, 0.9};
  });
  if (s.v > 500) return;
  add("kernel_factor", what, [=](Arena& a) {
    const Mat factor = a.values("factor", s.v, s.v, positive_definite(a.random(), s.v), triangle(s.v));
    const Mat mean = a.normal("p_mean", 1, s.n);
    return ops::KernelFactor{factor, mean, a.scalar_output("ridge", 2, sum_bound()), 0.9, 0.5, 0.25, 0.01};
  });
  add("factor_solve", what, [=](Arena& a) {
    const Mat factor = a.values("factor", s.v, s.v, factor_of(a, s.v));
    return ops::FactorSolve{factor, a.normal("x", s.v, s.m, solution(s.v, 1.0))};
  });
  add("kernel_solve", what, [=](Arena& a) {
    const Mat factor = a.values("factor", s.v, s.v, factor_of(a, s.v));
    const Mat t = a.normal("t", s.v, s.m), mean = a.normal("t_mean", 1, s.m);
    const MatView<double> ridge = a.scalars("ridge", {0.5, 0.0});
    const Mat work = a.output("work", s.v, s.m, solution(s.v, 2.0)), x = a.normal("a", s.v, s.m, solution(s.v, 2.0)),
              c = a.normal("c", s.v, s.m, solution(s.v, 2.0));
    return ops::KernelSolve{factor, t, mean, ridge, work, x, c, a.output("b", 1, s.m), 0.9, 0.01};
  });
}

void Suite::codec(std::int64_t v, std::int64_t n, const Format& f) {
  const std::string what = std::to_string(v) + " x " + std::to_string(n) + f.text();
  const Bound bound = f.bound();
  add("p_target", what, [=](Arena& a) {
    const Mat x = a.normal("x", v, n);
    const Mat p = a.normal("p", v, n, bound, 0.3);
    return ops::PTarget{x, p, quantize(a, f, v * n)};
  });
  add("p_project", what, [=](Arena& a) {
    const Mat p = a.normal("p", v, n, bound), g = a.normal("g", v, n, bound);
    const MatView<double> tau = a.scalars("tau", {4.0}), norm2 = a.scalar_output("norm2", 1, sum_bound());
    return ops::PProject{p, g, {}, {}, 0.0f, tau, quantize(a, f, v * n), norm2};
  });
  add("p_project", what + ", gradient to finish", [=](Arena& a) {
    const Mat p = a.normal("p", v, n, bound), g = a.normal("g", v, n, bound), u = a.normal("u", v, n),
              q = a.normal("q", v, n);
    const MatView<double> tau = a.scalars("tau", {4.0}), norm2 = a.scalar_output("norm2", 1, sum_bound());
    return ops::PProject{p, g, u, q, 0.3f, tau, quantize(a, f, v * n), norm2};
  });
  const ActivationRule rule = activations()[static_cast<std::size_t>((v * n + f.wire.bits) % 3)];
  add("q_dual", what + text(rule), [=](Arena& a) {
    const Mat p = a.normal("p", v, n), z = a.normal("z", v, n), q = a.normal("q", v, n, bound),
              u = a.normal("u", v, n, bound);
    const MatView<double> sums = a.scalar_output("sums", 4, signed_sum_bound(v * n, 4.0));
    return ops::QDual{p, z, q, u, rule, 0.5f, 0.2f, quantize(a, f, v * n), sums};
  });
  add("zq_exact", what + text(rule), [=](Arena& arena) {
    const Mat a = arena.normal("a", v, n), b = arena.normal("b", 1, n), p = arena.normal("p", v, n),
              z = arena.normal("z", v, n), m = arena.normal("v", v, n), t = arena.output("t", v, n),
              q = arena.normal("q", v, n, bound), u = arena.normal("u", v, n, bound);
    const MatView<double> linear2 = arena.scalar_output("linear2", 1, sum_bound());
    const MatView<double> sums = arena.scalar_output("sums", 4, signed_sum_bound(v * n, 4.0));
    return ops::ZqExact{a, b, p, z, m, t, q, u, rule, 0.7f, 0.5f, 0.2f, 0.3f, quantize(arena, f, v * n), linear2, sums};
  });
  // A message as the CPU packs it.
  const auto message = [=](Arena& a, std::vector<float>& held) {
    std::vector<float> target = a.normals(v * n), scales(static_cast<std::size_t>(f.wire.scale_floats(v * n)));
    held = a.normals(v * n);
    std::vector<float> sent = held;
    std::vector<float> packed(static_cast<std::size_t>(f.wire.message_bytes(v * n)) / sizeof(float));
    Quantize q;
    q.format = f.wire;
    q.scales = {scales.data(), 1, static_cast<std::int64_t>(scales.size())};
    q.message = as_bytes(Mat{packed.data(), 1, static_cast<std::int64_t>(packed.size())});
    cpu::Scratch scratch;
    cpu::run(ops::PTarget{{target.data(), v, n}, {sent.data(), v, n}, q}, scratch);
    return as_bytes(ConstMat(a.values("message", 1, static_cast<std::int64_t>(packed.size()), packed)));
  };
  if (!f.message || f.feedback || f.rounding == Rounding::stochastic) return;
  add("p_receive", what, [=](Arena& a) {
    std::vector<float> held;
    const ConstBytes bytes = message(a, held);
    return ops::PReceive{bytes, a.values("p", v, n, held), f.wire};
  });
  add("q_receive", what, [=](Arena& a) {
    std::vector<float> held;
    const ConstBytes bytes = message(a, held);
    const Mat p = a.normal("p", v, n), q = a.values("q", v, n, held);
    return ops::QReceive{bytes, p, q, a.normal("u", v, n), f.wire, 0.5f};
  });
}

// Parts that are branches of so many blocks each; `values` of each, padded as collectives do.
void Suite::collective(const std::vector<int>& branches, std::int64_t values) {
  const auto parts = static_cast<std::int64_t>(branches.size());
  const std::string what = std::to_string(parts) + " parts of " + std::to_string(values);
  const SumTree tree = sum_tree(branches);
  add("sum_parts", what, [=](Arena& a) {
    const Mat in = a.normal("parts", parts, values);
    return ops::SumParts{in, a.output("out", 1, values), tree};
  });
  add("sum_scalars", what, [=](Arena& a) {
    const std::int64_t padded = (values + 1) / 2 * 2;
    std::vector<double> x(static_cast<std::size_t>(parts * padded));
    for (double& value : x) value = a.random().normal();
    const double* in = a.scalars("parts", x).data;
    return ops::SumScalars{{in, parts, padded}, a.scalar_output("out", values, {}), tree};
  });
  add("accumulate", what, [=](Arena& a) {
    const Mat x = a.normal("x", parts, values);
    return ops::Accumulate{x, a.normal("y", parts, values)};
  });
  add("max_parts", what, [=](Arena& a) {
    const std::int64_t padded = (values + 3) / 4 * 4;
    std::vector<float> x = a.normals(parts * padded);
    for (float& value : x) {
      if (a.random().below(20) == 0) value = std::numeric_limits<float>::quiet_NaN();
    }
    const Mat in = a.values("parts", parts, padded, x);
    return ops::MaxParts{in, a.output("out", 1, values)};
  });
}

// A message of a layout: any codes, and scales with which sums of what they stand for are exact.
std::vector<std::byte> compressed_message(Arena& a, const CompressLayout& layout, int bits) {
  std::vector<std::byte> x(static_cast<std::size_t>(layout.bytes().total()));
  if (bits == 32) {
    const std::vector<float> values = a.normals(layout.bytes().total() / 4);
    std::memcpy(x.data(), values.data(), values.size() * 4);
    return x;
  }
  for (std::byte& byte : x) byte = static_cast<std::byte>(a.random().below(bits == 8 ? 255 : 256));
  if (bits == 16) {  // of ordinary size
    for (std::size_t i = 1; i < x.size(); i += 2) x[i] = static_cast<std::byte>((i % 4 == 1 ? 0x80 : 0) + 0x3F);
    return x;
  }
  for (std::size_t i = 3; i < layout.table().size(); i += ops::CompressBlocks::kColumns) {
    const float scale = bits == 1 ? 0.5f : bits == 4 ? 7.0f / 16.0f : 127.0f / 16.0f;
    std::memcpy(x.data() + std::size_t{4} * static_cast<std::size_t>(layout.table()[i]), &scale, sizeof scale);
  }
  return x;
}

// Tensors of so many values in a row, of which `members` devices serve a part each.
void Suite::compress(const std::vector<std::int64_t>& tensors, std::int64_t block, int bits, int members, int member) {
  std::vector<RowTensor> row;
  std::int64_t total = 0;
  for (const std::int64_t values : tensors) {
    const std::int64_t unit = CompressLayout::unit(bits);
    row.push_back({total, values, (values + unit - 1) / unit * unit});
    total += row.back().padded;
  }
  const CompressLayout layout(row, block, bits, members);
  const std::string what = std::to_string(tensors.size()) + " tensors of " + std::to_string(tensors.front()) +
                           " …, blocks of " + std::to_string(block) + ", " + std::to_string(bits) + " bits, member " +
                           std::to_string(member) + " of " + std::to_string(members);
  // Multiples of 1/16, so that sums of magnitudes do not depend on their order.
  const auto sixteenths = [total](Arena& a, const char* name, std::int64_t count) {
    std::vector<float> x(static_cast<std::size_t>(count));
    for (float& value : x) value = static_cast<float>(a.random().below(255)) / 16.0f - 7.9375f;
    return a.values(name, 1, count, x);
  };
  const auto table = [=](Arena& a) { return a.integers("blocks", layout.blocks(), layout.table()); };
  for (const bool feedback : {true, false}) {
    add("compress_momentum", what + (feedback ? "" : ", no error"), [=](Arena& a) {
      const Mat m = sixteenths(a, "momentum", total), g = sixteenths(a, "gradient", total);
      const Mat error = feedback ? sixteenths(a, "error", total) : Mat{};
      const auto blocks = table(a);
      return ops::CompressMomentum{m,    g,    error, layout.all(blocks), a.bytes("message", layout.bytes().total()),
                                   0.5f, 0.25f};
    });
    add("compress_mean", what + (feedback ? "" : ", no error"), [=](Arena& a) {
      const std::int64_t first = layout.bytes().first(member), size = layout.bytes().size(member);
      std::vector<std::byte> received, own;
      for (int i = 0; i < members; ++i) {
        const std::vector<std::byte> from = compressed_message(a, layout, bits);
        received.insert(received.end(), from.begin() + first, from.begin() + first + size);
        if (i == member) own.assign(received.end() - size, received.end());
      }
      // Its own place in `received` is not read.
      std::fill_n(received.begin() + member * size, size, std::byte{0xFF});
      const Mat error = feedback ? sixteenths(a, "error", layout.values().size(member)) : Mat{};
      const Bytes all = a.bytes("received", received);
      const auto blocks = table(a);
      return ops::CompressMean{a.bytes("own", own),         {all.data, members, size}, error,
                               layout.part(blocks, member), a.bytes("message", size),  member};
    });
  }
  for (const double clip : {0.0, 0.5}) {
    add("momentum_update", what + (clip > 0.0 ? ", clip" : ""), [=](Arena& a) {
      const Bytes message = a.bytes("message", compressed_message(a, layout, bits));
      std::vector<float> squares = a.normals(total);
      for (float& value : squares) value *= value;
      const MomentumRule rule{0.1, 0.9, 0.999, 1e-8, 0.01, clip, 40};
      const auto blocks = table(a);
      const Mat momentum = a.output("momentum", 1, total), w = a.normal("w", 1, total);
      const auto rates = clip > 0.0 ? a.scalars("rates", {0.3, 0.2, 0.05}) : MatView<double>{};
      return ops::MomentumUpdate{message,
                                 momentum,
                                 w,
                                 a.values("square", 1, total, squares),
                                 layout.all(blocks),
                                 rule,
                                 a.counter("iteration", 50),
                                 rates};
    });
  }
  add("expand_row", what, [=](Arena& a) {
    const Bytes message = a.bytes("message", compressed_message(a, layout, bits));
    const auto blocks = table(a);
    return ops::ExpandRow{message, a.output("out", 1, total), layout.all(blocks)};
  });
  add("compress_momentum", what + ", no momentum", [=](Arena& a) {
    const Mat g = sixteenths(a, "gradient", total);
    const auto blocks = table(a);
    return ops::CompressMomentum{{},   g,    {}, layout.all(blocks), a.bytes("message", layout.bytes().total()),
                                 0.0f, 0.25f};
  });
  add("floor_square", what, [=](Arena& a) {
    std::vector<float> squares(static_cast<std::size_t>(tensors.front()));
    for (float& value : squares) value = static_cast<float>(a.random().below(9) * a.random().below(9));
    for (float& value : squares) value *= value;  // with roots that add up exactly
    const Mat x = a.values("square", 1, tensors.front(), squares);
    return ops::FloorSquare{x, a.scalar_output("root", 1, {}), 0.1};
  });
}

void Suite::replicas(std::int64_t values) {
  const std::string what = std::to_string(values) + " values";
  for (const float share : {0.0f, 0.1f, 0.7f, 1.0f}) {
    for (const bool both : {false, true}) {
      add("pull", what + ", share " + std::to_string(share) + (both ? ", twice" : ""), [=](Arena& a) {
        const Mat w = a.normal("w", 1, values), first = a.normal("first", 1, values);
        const Mat second = both ? a.normal("second", 1, values) : Mat{};
        return ops::Pull{w, first, second, share, 0.25f};
      });
    }
  }
  for (const bool nesterov : {false, true}) {
    add("outer_step", what + (nesterov ? ", nesterov" : ", by rates"), [=](Arena& a) {
      const Mat change = a.normal("change", 1, values), momentum = a.normal("momentum", 1, values);
      const Mat anchor = a.normal("anchor", 1, values), w = a.output("w", 1, values);
      const auto rates = nesterov ? MatView<double>{} : a.scalars("rates", {0.3, 0.2, 0.05});
      return ops::OuterStep{change, momentum, anchor, w, {0.7, 0.9, nesterov, 1.0}, a.counter("iteration", 1), rates};
    });
  }
}

// Of tensors of so many values in a row, each worker of `members` chooses a share.
void Suite::largest(const std::vector<std::int64_t>& tensors, std::int64_t block, double share, int members) {
  using Blocks = ops::ChosenBlocks;
  std::vector<std::int32_t> table;
  std::int64_t total = 0, chosen = 0;
  for (const std::int64_t values : tensors) {
    for (std::int64_t at = 0; at < values; at += block) {
      const std::int64_t own = std::min(block, values - at), padded = (own + 3) / 4 * 4;
      const auto most = std::max<std::int64_t>(1, static_cast<std::int64_t>(share * static_cast<double>(own)));
      for (const std::int64_t entry : {total, padded, own, most, chosen}) {
        table.push_back(static_cast<std::int32_t>(entry));
      }
      total += padded, chosen += most;
    }
  }
  const auto blocks_of = [=](Arena& a) {
    const auto rows = static_cast<std::int64_t>(table.size()) / Blocks::kColumns;
    return Blocks{a.integers("blocks", rows, table), block, chosen};
  };
  const std::string what = std::to_string(tensors.size()) + " tensors of " + std::to_string(tensors.front()) +
                           " …, blocks of " + std::to_string(block) + ", " + std::to_string(chosen) + " chosen";
  for (const bool feedback : {true, false}) {
    for (const bool equal : {true, false}) {
      add("choose_largest", what + (feedback ? "" : ", no error") + (equal ? ", many equal" : ""), [=](Arena& a) {
        // Of few magnitudes, of either sign, 0 among them; or all different, with a NaN.
        std::vector<float> x = a.normals(total);
        for (float& value : x) value = equal ? static_cast<float>(a.random().below(7)) - 3.0f : value;
        if (!equal && total > 2) x[2] = std::numeric_limits<float>::quiet_NaN();
        std::vector<float> e(x.size());
        for (float& value : e) value = static_cast<float>(a.random().below(3));
        const Mat g = a.values("gradient", 1, total, x), error = feedback ? a.values("error", 1, total, e) : Mat{};
        const Blocks blocks = blocks_of(a);
        return ops::ChooseLargest{g, error, blocks, a.bytes("message", blocks.bytes())};
      });
    }
  }
  add("sum_chosen", what + ", of " + std::to_string(members), [=](Arena& a) {
    const Blocks shape{{}, block, chosen};
    std::vector<std::byte> messages(static_cast<std::size_t>(members * shape.bytes()));
    for (int member = 0; member < members; ++member) {
      std::byte* message = messages.data() + member * shape.bytes();
      const std::vector<float> values = a.normals(chosen);
      std::memcpy(message, values.data(), values.size() * 4);
      auto* places = reinterpret_cast<std::uint16_t*>(message + shape.places());
      for (std::size_t row = 0; row < table.size(); row += Blocks::kColumns) {
        const std::int32_t own = table[row + 2], most = table[row + 3];
        const auto from = static_cast<std::int32_t>(a.random().below(static_cast<std::uint64_t>(own - most + 1)));
        for (std::int32_t i = 0; i < most; ++i) places[table[row + 4] + i] = static_cast<std::uint16_t>(from + i);
      }
    }
    const Bytes all = a.bytes("messages", messages);
    return ops::SumChosen{{all.data, members, shape.bytes()}, a.output("out", 1, total), blocks_of(a)};
  });
}

void Suite::hash(std::int64_t values) {
  add("add_hash", std::to_string(values) + " values", [=](Arena& a) {
    const Mat x = a.normal("x", 1, values);
    const auto before = a.integers("hash", 1, {-5, 1 << 30});
    return ops::AddHash{x, {reinterpret_cast<std::uint32_t*>(before.data), 1, 2}, 77};
  });
}

// Columns of which the last `dependent` ones are sums of others, or 0.
void Suite::orthogonalize(std::int64_t rows, std::int64_t columns, std::int64_t dependent) {
  add("orthogonalize",
      std::to_string(rows) + " x " + std::to_string(columns) + ", " + std::to_string(dependent) + " dependent",
      [=](Arena& a) {
        std::vector<float> x = a.normals(rows * columns);
        for (std::int64_t i = 0; i < rows; ++i) {
          float* row = x.data() + i * columns;
          for (std::int64_t j = columns - dependent; j < columns; ++j) row[j] = j % 2 == 0 ? 0.0f : 2.0f * row[0];
        }
        // Of random columns: they are far from dependent, so that errors of sums do not grow.
        return ops::Orthogonalize{a.values("x", rows, columns, x, {64 * kEps, 1.0})};
      });
}

}  // namespace

std::vector<Case> all_cases(const Sizes& sizes) {
  Suite suite{sizes, {}};
  for (const Shape& s : shapes(sizes)) {
    suite.both_updates(s);
    suite.gradient(s);
    suite.backprop(s);
    suite.exact(s);
  }
  for (const std::int64_t classes : {2, 3, 4, 7, 8, 15, 40, 100, 1000, 1024, 4050}) {
    suite.softmax(classes > 50 ? 5 : 61, classes);
    if (sizes.large && classes <= 1000) suite.softmax(5003, classes);
  }
  const std::vector<std::vector<int>> branches = {
      {1}, {4}, {1, 1}, {1, 1, 1}, {2, 2, 1, 1, 2}, std::vector<int>(64, 1)};
  for (const std::vector<int>& parts : branches) {
    for (const std::int64_t values : {1, 7, 300}) suite.collective(parts, values);
    if (sizes.large) suite.collective(parts, 1000003);
  }
  for (const int bits : {1, 4, 8, 16, 32}) {
    suite.compress({1}, 128, bits, 1, 0);
    suite.compress({130, 7, 1000, 33}, 256, bits, 2, 1);
    suite.compress({5000, 100, 4097}, 4096, bits, 4, 2);
    suite.compress({300}, 2048, bits, 4, 3);  // fewer blocks than members: a part of none
    if (sizes.large) suite.compress({3000000, 1000, 700}, 2048, bits, 4, 1);
  }
  for (const std::int64_t values : {1, 300, 5000}) suite.hash(values);
  if (sizes.large) suite.hash(3000001);
  for (const std::int64_t values : {1, 300, 5000}) suite.replicas(values);
  if (sizes.large) suite.replicas(3000001);
  for (const double share : {0.001, 0.02, 0.5, 1.0}) {
    suite.largest({1}, 128, share, 1);
    suite.largest({130, 7, 1000, 33}, 256, share, 3);
    suite.largest({5000, 4097, 100}, 4096, share, 4);
    if (sizes.large) suite.largest({3000000, 1000, 700}, 4096, share, 4);
  }
  for (const auto& [rows, columns] :
       std::vector<std::pair<std::int64_t, std::int64_t>>{{1, 1}, {5, 2}, {300, 4}, {1025, 33}}) {
    suite.orthogonalize(rows, columns, 0);
    if (columns > 1) suite.orthogonalize(rows, columns, columns / 2);
    if (sizes.large) suite.orthogonalize(4 * rows, columns, 0);
  }
  std::size_t index = 0;
  for (const Format& f : formats()) {
    for (const auto& [v, n] : std::vector<std::pair<std::int64_t, std::int64_t>>{{1, 1}, {3, 5}, {13, 17}, {90, 50}}) {
      suite.codec(v, n, f);
    }
    if (sizes.large) {
      suite.codec(2708, 100, f);
      if (index++ % 5 == 0) suite.codec(9001, 501, f);  // the host takes seconds for each
    }
  }
  return std::move(suite.list);
}

}  // namespace gamlp::conformance
