// Gradients that workers send each other as products (PowerSGD) or in part (top-k): every step against its definition
// in double precision, what is lost and made good, and what travels.
#include <algorithm>
#include <numeric>

#include "host/methods/backprop/powersgd_exchange.hpp"
#include "host/methods/backprop/top_k_exchange.hpp"
#include "tests/methods/gradient_reference.hpp"
#include "tests/methods/simulated.hpp"

using namespace gamlp;
using namespace gamlp::test;

namespace {

constexpr std::int64_t kMicrobatches = 6, kWarmup = 2, kRank = 2;
const std::vector<GradientFormat> kFormats = {GradientFormat::powersgd, GradientFormat::top_k};

// 4 layers: PowerSGD compresses all but the last.
Setup exchange_setup(GradientFormat format, int workers, const std::string& name = "gd") {
  Setup s = setup_of(name, name == "gd" ? 0.5 : 0.02, kMicrobatches);
  s.widths = {30, 24, 20, 17, 3};
  s.nodes = 23;
  s.weight_scale = 0.3;
  s.shards = workers;
  s.backprop.gradients = format;
  s.backprop.powersgd.rank = kRank, s.backprop.powersgd.warmup = kWarmup;
  s.backprop.top_k.share = 0.1, s.backprop.top_k.block = 128, s.backprop.top_k.warmup = kWarmup;
  return s;
}

void without_feedback(Setup& s) { s.backprop.powersgd.error_feedback = s.backprop.top_k.error_feedback = false; }

using Vector = std::vector<double>;

// W or b of a layer: its values, what each worker has yet to make good of it, and the basis of its W.
struct Tensor {
  std::int64_t rows = 0, cols = 0;  // of W; b: none
  Vector w, basis;
  std::vector<Vector> errors;
};

std::vector<Tensor> tensors_of(const Setup& s, const TrainingState& state) {
  std::vector<Tensor> all;
  for (std::size_t layer = 1; layer < s.widths.size(); ++layer) {
    const std::string id = std::to_string(layer);
    std::size_t first = 0;
    for (const std::string name : {"W", "b"}) {
      Tensor t;
      t.w = doubles(state, name + id);
      if (name == "W") t.rows = s.widths[layer], t.cols = s.widths[layer - 1];
      if (name == "W" && state.contains("basis" + id)) t.basis = doubles(state, "basis" + id);
      if (state.contains("worker_error" + id)) {
        const Vector rows = doubles(state, "worker_error" + id);
        const std::size_t size = rows.size() / static_cast<std::size_t>(s.shards);
        for (std::size_t i = 0; i < static_cast<std::size_t>(s.shards); ++i) {
          const auto from = rows.begin() + static_cast<std::ptrdiff_t>(i * size + first);
          t.errors.emplace_back(from, from + static_cast<std::ptrdiff_t>(t.w.size()));
        }
      }
      first += (t.w.size() + 3) / 4 * 4;
      all.push_back(std::move(t));
    }
  }
  return all;
}

// What a step makes of a tensor: the gradient that it applies, and what is left.
struct Applied {
  Vector gradient, basis;
  std::vector<Vector> errors;
};

Vector sum_of(const std::vector<Vector>& all) {
  Vector sum(all.front().size(), 0.0);
  for (const Vector& one : all) {
    for (std::size_t j = 0; j < sum.size(); ++j) sum[j] += one[j];
  }
  return sum;
}

// c ← a b, of an m × n and an n × r matrix; with `turned` of the transpose of a, which is then n × m.
Vector product(const Vector& a, const Vector& b, std::size_t m, std::size_t n, std::size_t r, bool turned = false) {
  Vector c(m * r, 0.0);
  for (std::size_t i = 0; i < m; ++i) {
    for (std::size_t k = 0; k < n; ++k) {
      for (std::size_t j = 0; j < r; ++j) c[i * r + j] += a[turned ? k * m + i : i * n + k] * b[k * r + j];
    }
  }
  return c;
}

void make_orthonormal(Vector& x, std::size_t rows, std::size_t columns) {
  for (std::size_t j = 0; j < columns; ++j) {
    for (std::size_t k = 0; k <= j; ++k) {
      double dot = 0.0;
      for (std::size_t i = 0; i < rows; ++i) dot += x[i * columns + k] * x[i * columns + j];
      for (std::size_t i = 0; i < rows; ++i) {
        double& value = x[i * columns + j];
        value = k == j ? value / std::sqrt(dot) : value - dot * x[i * columns + k];
      }
    }
  }
}

// PowerSGD of one tensor. `gradients`: of each worker, which add up to the gradient of the risk.
Applied powersgd(const Tensor& t, const std::vector<Vector>& gradients) {
  const auto m = static_cast<std::size_t>(t.rows), n = static_cast<std::size_t>(t.cols), r = std::size_t{kRank};
  if (2 * r * (m + n) >= m * n) return {sum_of(gradients), {}, {}};
  std::vector<Vector> sent = gradients;
  for (std::size_t i = 0; i < t.errors.size(); ++i) {
    for (std::size_t j = 0; j < sent[i].size(); ++j) sent[i][j] += t.errors[i][j];
  }
  const Vector all = sum_of(sent);
  Vector p = product(all, t.basis, m, n, r);
  make_orthonormal(p, m, r);
  Applied out;
  out.basis = product(all, p, n, m, r, true);
  out.gradient.assign(m * n, 0.0);
  for (std::size_t i = 0; i < m; ++i) {
    for (std::size_t j = 0; j < n; ++j) {
      for (std::size_t k = 0; k < r; ++k) out.gradient[i * n + j] += p[i * r + k] * out.basis[j * r + k];
    }
  }
  for (std::size_t i = 0; i < t.errors.size(); ++i) {
    out.errors.push_back(sent[i]);
    for (std::size_t j = 0; j < sent[i].size(); ++j) {
      out.errors[i][j] -= out.gradient[j] / static_cast<double>(gradients.size());
    }
  }
  return out;
}

Applied top_k(const Tensor& t, const std::vector<Vector>& gradients) {
  Applied out;
  std::vector<Vector> sent;
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    Vector s = gradients[i], chosen(s.size(), 0.0);
    for (std::size_t j = 0; !t.errors.empty() && j < s.size(); ++j) s[j] += t.errors[i][j];
    for (std::size_t first = 0; first < s.size(); first += 128) {
      const std::size_t size = std::min<std::size_t>(128, s.size() - first);
      std::vector<std::size_t> order(size);
      std::iota(order.begin(), order.end(), first);
      std::stable_sort(order.begin(), order.end(),
                       [&](std::size_t a, std::size_t b) { return std::fabs(s[a]) > std::fabs(s[b]); });
      order.resize(static_cast<std::size_t>(std::max(1L, std::lround(0.1 * static_cast<double>(size)))));
      for (const std::size_t j : order) chosen[j] = s[j], s[j] = 0.0;
    }
    sent.push_back(chosen);
    if (!t.errors.empty()) out.errors.push_back(s);
  }
  out.gradient = sum_of(sent);
  return out;
}

// The largest difference, as a share of the largest value.
double apart(const Vector& a, const Vector& b) {
  double most = 0.0, size = 1e-30;
  for (std::size_t i = 0; i < a.size(); ++i) {
    most = std::max(most, std::fabs(a[i] - b.at(i))), size = std::max(size, std::fabs(b[i]));
  }
  return most / size;
}

// The gradients of each worker, by tensor: they add up to that of the risk.
std::vector<std::vector<Vector>> gradients_of(const Setup& s, const Start& start, const Network& network) {
  auto by_worker = worker_gradients(s, start, network, kMicrobatches);
  std::vector<std::vector<Vector>> by_tensor(by_worker.front().size());
  for (auto& worker : by_worker) {
    for (std::size_t k = 0; k < worker.size(); ++k) {
      for (double& value : worker[k]) value /= static_cast<double>(s.shards);
      by_tensor[k].push_back(std::move(worker[k]));
    }
  }
  return by_tensor;
}

}  // namespace

TEST_CASE("every step with gradients that are sent in part is what the definition says") {
  for (const GradientFormat format : kFormats) {
    for (const int workers : {1, 2, 6}) {
      for (const bool feedback : {true, false}) {
        Setup s = exchange_setup(format, workers);
        if (!feedback) without_feedback(s);
        const Start start = start_of(s);
        Training training(s, start, workers);
        training.forward();
        training.iterate(0, kWarmup);
        std::vector<Tensor> before = tensors_of(s, training.state());
        for (int step = kWarmup; step < kWarmup + 8; ++step) {
          const auto gradients = gradients_of(s, start, training.network());
          training.iterate(step, 1);
          const std::vector<Tensor> after = tensors_of(s, training.state());
          for (std::size_t k = 0; k < before.size(); ++k) {
            const bool products = format == GradientFormat::powersgd;
            const Applied expected = products ? powersgd(before[k], gradients[k]) : top_k(before[k], gradients[k]);
            Vector w = before[k].w;
            for (std::size_t j = 0; j < w.size(); ++j) w[j] -= 0.5 * expected.gradient[j];
            INFO(name_of(format) << ", " << workers << " workers, feedback " << feedback << ", step " << step
                                 << ", tensor " << k);
            CHECK(apart(after[k].w, w) < 2e-6);
            if (!expected.basis.empty()) CHECK(apart(after[k].basis, expected.basis) < 2e-4);
            CHECK(after[k].errors.empty() == !feedback);
            for (std::size_t i = 0; i < expected.errors.size(); ++i) {
              CHECK(apart(after[k].errors[i], expected.errors[i]) < 2e-4);
            }
          }
          before = after;
        }
      }
    }
  }
}

TEST_CASE("gradients that were applied, and what is yet to be made good, add up to the gradients that there were") {
  for (const GradientFormat format : kFormats) {
    const Setup s = exchange_setup(format, 3);
    const Start start = start_of(s);
    Training training(s, start, 3);
    training.forward();
    training.iterate(0, kWarmup);
    const std::vector<Tensor> first = tensors_of(s, training.state());
    std::vector<Vector> made;
    for (const Tensor& t : first) made.emplace_back(t.w.size(), 0.0);
    for (int step = kWarmup; step < kWarmup + 20; ++step) {
      const auto gradients = gradients_of(s, start, training.network());
      for (std::size_t k = 0; k < made.size(); ++k) {
        const Vector all = sum_of(gradients[k]);
        for (std::size_t j = 0; j < all.size(); ++j) made[k][j] += all[j];
      }
      training.iterate(step, 1);
    }
    const std::vector<Tensor> last = tensors_of(s, training.state());
    double worst = 0.0, left = 0.0;
    for (std::size_t k = 0; k < made.size(); ++k) {
      for (std::size_t j = 0; j < made[k].size(); ++j) {
        double rest = 0.0;
        for (const Vector& error : last[k].errors) rest += error[j];
        worst = std::max(worst, std::fabs((first[k].w[j] - last[k].w[j]) / 0.5 + rest - made[k][j]));
        left = std::max(left, std::fabs(rest));
      }
    }
    INFO(name_of(format) << ": " << worst << " of " << left);
    CHECK(worst < 40 * 0x1p-22);  // 20 steps of weights of about 1, and as many sums
    CHECK(left > 1000 * worst);   // the test can tell
  }
}

TEST_CASE("the warm-up of gradients that are sent in part adds them up exactly") {
  for (const GradientFormat format : kFormats) {
    Setup s = exchange_setup(format, 3, "adam");
    s.backprop.powersgd.warmup = s.backprop.top_k.warmup = 20;
    const Start start = start_of(s);
    Training exchanged(s, start, 3);
    s.backprop.gradients = GradientFormat::float32;
    Training plain(s, start, 3);
    for (Training* training : {&exchanged, &plain}) training->forward(), training->iterate(0, 8);
    const TrainingState a = exchanged.state();
    for (const auto& [name, tensor] : plain.state()) {
      INFO(name_of(format) << ", " << name);
      CHECK(a.at(name).data == tensor.data);
    }
  }
}

TEST_CASE("all values of all workers are the whole gradient") {
  Setup s = exchange_setup(GradientFormat::top_k, 3, "adam");
  s.backprop.top_k.share = 1.0, s.backprop.top_k.warmup = 0;
  const Start start = start_of(s);
  Training all(s, start, 3);
  s.backprop.gradients = GradientFormat::float32;
  Training plain(s, start, 3);
  for (Training* training : {&all, &plain}) training->forward(), training->iterate(0, 8);
  CHECK(largest_difference(numbers(mlp_of(all.network())), numbers(mlp_of(plain.network()))) < 1e-5);
}

TEST_CASE(
    "gradients that are sent in part give the same bits on any devices of the layers, to all workers, and go on") {
  for (const GradientFormat format : kFormats) {
    Setup s = exchange_setup(format, 3, "adam");
    const Start start = start_of(s);
    Training whole(s, start, 3);
    whole.forward();
    whole.iterate(0, 5);
    const TrainingState saved = whole.state();
    whole.iterate(5, 4);
    for (int rank = 1; rank < 3; ++rank) CHECK(whole.weights_of(rank) == whole.weights_of(0));
    for (const int devices : {3, 6, 12}) {
      for (const RankOrder order : {RankOrder::shards, RankOrder::layers}) {
        s.order = order;
        Training other(s, start, devices), again(s, start, devices);
        other.go_on_from(saved, 5, 4);
        again.forward();
        again.iterate(0, 9);
        INFO(name_of(format) << ", " << devices << " devices");
        CHECK(first_difference(whole.state(), other.state()) == "");
        CHECK(first_difference(whole.state(), again.state()) == "");
      }
    }
    // A new stage makes nothing good of the one before.
    Training fresh(s, start, 3);
    whole.restart(saved);
    whole.iterate(0, 5);
    fresh.forward();
    TrainingState only_weights = fresh.state();
    for (auto& [key, tensor] : only_weights) {
      if (key[0] == 'W' || (key[0] == 'b' && key.size() == 2)) tensor = saved.at(key);
    }
    fresh.restore(only_weights);
    fresh.forward();
    fresh.iterate(0, 5);
    CHECK(first_difference(whole.state(), fresh.state()) == "");
  }
}

TEST_CASE("on hosts with several workers each, gradients that are sent in part have the same bits") {
  for (const GradientFormat format : kFormats) {
    Setup s = exchange_setup(format, 4);
    const Start start = start_of(s);
    Training flat(s, start, 4);
    s.per_host = 2;
    Training hosts(s, start, 4);
    for (Training* training : {&flat, &hosts}) training->forward(), training->iterate(0, 6);
    INFO(name_of(format));
    CHECK(first_difference(flat.state(), hosts.state()) == "");
  }
}

TEST_CASE("workers send what the formulas of PowerSGD and of top-k say") {
  for (const GradientFormat format : kFormats) {
    for (const int workers : {1, 2, 3, 6}) {
      const Setup s = exchange_setup(format, workers);
      Training training(s, start_of(s), workers);
      training.forward();
      training.iterate(0, kWarmup);
      training.settle();
      const std::uint64_t warm = training.bytes_sent();
      training.iterate(kWarmup, 10);
      training.settle();
      const LayerRow row(s.widths, {1, 4}, 4);
      const std::int64_t losses = 16 * kMicrobatches * (workers - 1);
      const std::int64_t step = format == GradientFormat::powersgd
                                    ? PowerSgdExchange::bytes_sent(s.widths, {1, 4}, kRank, workers)
                                    : workers * TopKExchange::bytes_sent(row, s.backprop.top_k, workers);
      INFO(name_of(format) << ", " << workers << " workers");
      CHECK(training.bytes_sent() - warm == static_cast<std::uint64_t>(10 * (losses + step)));
      // By hand. P and Q of 24 × 30, 20 × 24 and 17 × 20 (34 values of P padded to 36), the 3 × 17 layer (52), and
      // biases of 24, 20, 17 (20) and 3 (4) neurons. Or one value of ten of each block of 128.
      const std::int64_t products = 48 + 60 + 40 + 48 + 36 + 40 + 52 + 24 + 20 + 20 + 4;
      const std::int64_t chosen = (5 * 13 + 8) + 2 + (3 * 13 + 10) + 2 + (2 * 13 + 8) + 2 + 5 + 1;
      const std::int64_t by_hand =
          format == GradientFormat::powersgd
              ? 8 * (workers - 1) * products
              : workers * (workers - 1) * ((4 * chosen + 15) / 16 * 16 + (2 * chosen + 15) / 16 * 16);
      CHECK(step == by_hand);
    }
  }
}

TEST_CASE("with steps of a batch the warm-up of gradients lasts its epochs") {
  for (const GradientFormat format : kFormats) {
    Setup s = exchange_setup(format, 3, "adam");
    s.backprop.batch = 12;  // 2 steps
    Training training(s, start_of(s), 3);
    training.forward();
    std::vector<std::uint64_t> sent = {0};
    for (int epoch = 0; epoch < kWarmup + 2; ++epoch) {
      training.iterate(epoch, 1);
      training.settle();
      sent.push_back(training.bytes_sent());
      for (int rank = 1; rank < 3; ++rank) CHECK(training.weights_of(rank) == training.weights_of(0));
    }
    const auto of = [&](std::int64_t epoch) {
      return sent[static_cast<std::size_t>(epoch) + 1] - sent[static_cast<std::size_t>(epoch)];
    };
    INFO(name_of(format));
    CHECK(of(1) == of(0));
    CHECK(of(kWarmup) < of(0) / 2);
    CHECK(of(kWarmup + 1) == of(kWarmup));
  }
}

TEST_CASE("of a gradient of fewer dimensions than the rank PowerSGD stays finite, and loses nothing") {
  Setup s = exchange_setup(GradientFormat::powersgd, 1);
  s.nodes = 1;  // every gradient has rank 1
  s.backprop.microbatches = 1, s.backprop.powersgd.warmup = 0;
  const Start start = start_of(s);
  Training products(s, start, 1);
  s.backprop.gradients = GradientFormat::float32;
  Training plain(s, start, 1);
  for (Training* training : {&products, &plain}) training->forward(), training->iterate(0, 10);
  CHECK(largest_difference(numbers(mlp_of(products.network())), numbers(mlp_of(plain.network()))) < 1e-5);
}

TEST_CASE("layers without a gradient stay as they are") {
  for (const GradientFormat format : kFormats) {
    const Setup s = exchange_setup(format, 2);
    Start start = start_of(s);
    for (float& b : start.network[1].b) b = -1000.0f;  // no neuron of layer 2 is active
    Training training(s, start, 2);
    training.forward();
    training.iterate(0, kWarmup + 4);
    const Network after = training.network();
    for (std::size_t layer = 0; layer < 2; ++layer) {
      const Matrix &was = start.network[layer].w, &is = after[layer].w;
      INFO(name_of(format) << ", layer " << layer + 1);
      CHECK(std::equal(was.data(), was.data() + was.size(), is.data()));
    }
    CHECK(after[3].b != start.network[3].b);
    CHECK(std::isfinite(training.objective()));
  }
}

TEST_CASE("a gradient that is not a number reaches every worker") {
  for (const GradientFormat format : kFormats) {
    Setup s = exchange_setup(format, 3);
    Start start = start_of(s);
    start.x.data()[5] = std::nanf("");  // of the first worker's nodes
    Training training(s, start, 3);
    training.forward();
    training.iterate(0, kWarmup + 3);
    const auto is_nan = [](float x) { return std::isnan(x); };
    for (int rank = 0; rank < 3; ++rank) {
      const std::vector<float> w = training.weights_of(rank);
      INFO(name_of(format) << ", worker " << rank);
      CHECK(std::any_of(w.begin(), w.end(), is_nan));
    }
    CHECK_THROWS_AS(training.objective(), DivergenceError);
  }
}

TEST_CASE("gradients that are sent in part have no race and no deadlock") {
  for (const GradientFormat format : kFormats) {
    for (const auto& [devices, shards] : {std::pair{2, 2}, {4, 2}, {9, 3}}) {
      for (const std::uint64_t seed : {1, 2, 3}) {
        const auto fault = fault_of_training(exchange_setup(format, shards, "adam"), devices, {}, seed);
        INFO(name_of(format) << ", " << devices << " devices: " << (fault ? fault->what() : ""));
        CHECK_FALSE(fault.has_value());
      }
    }
  }
}

TEST_CASE("on other workers, what gradients have yet to make good stays the same") {
  for (const GradientFormat format : kFormats) {
    Setup s = exchange_setup(format, 3);
    const Start start = start_of(s);
    Training three(s, start, 3);
    three.forward();
    three.iterate(0, 6);
    const TrainingState saved = three.state();
    s.shards = 2;
    StageSpec spec;
    spec.widths = s.widths, spec.placement.shards = 2;
    const auto fitted = method_of(s)->fitted_state(saved, spec);
    REQUIRE(fitted.has_value());
    for (int layer = 1; layer <= 4; ++layer) {
      const std::string name = "worker_error" + std::to_string(layer);
      const Vector old = doubles(saved, name), fresh = doubles(fitted->state, name);
      const std::size_t size = old.size() / 3;
      REQUIRE(fresh.size() == 2 * size);
      for (std::size_t j = 0; j < size; ++j) {
        CHECK(std::fabs(old[j] + old[size + j] + old[2 * size + j] - fresh[j] - fresh[size + j]) < 1e-6);
      }
    }
    Training two(s, start, 2);
    two.go_on_from(fitted->state, 6, 4);
    CHECK(two.weights_of(0) == two.weights_of(1));
    CHECK(std::isfinite(two.objective()));
  }
}
