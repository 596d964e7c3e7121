// APMSqueeze: every step against its definition in double precision, what it shares with Adam, its errors in
// checkpoints, what it sends, and planted faults.
#include <numeric>
#include <set>

#include "host/methods/apmsqueeze/apmsqueeze_method.hpp"
#include "host/methods/apmsqueeze/apmsqueeze_program.hpp"
#include "tests/methods/gradient_reference.hpp"
#include "tests/methods/simulated.hpp"

using namespace gamlp;
using namespace gamlp::test;
using sim::FaultKind;

namespace {

constexpr double kRate = 0.02, kBeta1 = 0.9, kBeta2 = 0.999, kEps = 1e-8;

ApmConfig squeezed(std::int64_t bits, std::int64_t warmup, std::int64_t microbatches = 6) {
  ApmConfig c;
  c.optimizer.learning_rate = kRate, c.optimizer.eps = kEps;
  c.microbatches = microbatches;
  c.squeeze.bits = bits, c.squeeze.warmup = warmup, c.squeeze.block = 128;
  return c;
}

// 5 layers, of which the first three have several blocks.
Setup setup_of(const ApmConfig& c, int workers) {
  Setup s = gamlp::test::setup_of("apmsqueeze", c);
  s.widths = {30, 20, 19, 7, 5, 3};
  s.nodes = 23;
  s.shards = workers;
  s.weight_scale = 0.3;
  return s;
}

// The numbers of W or b of a layer.
struct Tensor {
  std::vector<double> w, m, v, mean_error;
  std::vector<std::vector<double>> errors;  // by worker
};

std::vector<Tensor> tensors_of(const TrainingState& state, int layers) {
  std::vector<Tensor> all;
  for (int layer = 1; layer <= layers; ++layer) {
    const std::string id = std::to_string(layer);
    std::size_t first = 0;
    for (const std::string name : {"W", "b"}) {
      Tensor t{doubles(state, name + id),
               doubles(state, "first_moment_" + name + id),
               doubles(state, "second_moment_" + name + id),
               {},
               {}};
      if (state.contains("worker_error" + id)) {
        const std::vector<double> rows = doubles(state, "worker_error" + id), means = doubles(state, "mean_error" + id);
        const auto part = [&](const std::vector<double>& of, std::size_t begin) {
          return std::vector<double>(of.begin() + static_cast<std::ptrdiff_t>(begin),
                                     of.begin() + static_cast<std::ptrdiff_t>(begin + t.w.size()));
        };
        for (std::size_t i = 0; i < rows.size() / means.size(); ++i) {
          t.errors.push_back(part(rows, i * means.size() + first));
        }
        t.mean_error = part(means, first);
      }
      first += (t.w.size() + 127) / 128 * 128;
      all.push_back(std::move(t));
    }
  }
  return all;
}

// Whether `coded` is C(exact) of a block, as far as float32 can tell.
bool is_code_of(const std::vector<double>& exact, const std::vector<double>& coded, std::int64_t bits) {
  double sum = 0.0, largest = 0.0;
  for (const double x : exact) sum += std::fabs(x), largest = std::max(largest, std::fabs(x));
  const double slack = 64 * 0x1p-24 * (largest + 1e-3), scale = sum / static_cast<double>(exact.size());
  for (std::size_t i = 0; i < exact.size(); ++i) {
    const double x = exact[i], c = coded[i];
    if (bits == 32 && std::fabs(x - c) > slack) return false;
    if (bits == 1 && std::fabs(std::fabs(c) - scale) > slack) return false;
    if (bits == 1 && std::fabs(x) > slack && (x < 0.0) != (c < 0.0)) return false;
    const double step = largest / 127.0;
    if (bits == 8 && std::fabs(x - c) > step / 2.0 + slack) return false;
    if (bits == 8 && step > 0.0 && std::fabs(c - step * std::nearbyint(c / step)) > slack) return false;
  }
  return true;
}

// C of a tensor in blocks of 128.
std::vector<double> codes_of(const std::vector<double>& x, std::int64_t bits) {
  std::vector<double> out(x);
  for (std::size_t first = 0; bits < 32 && first < x.size(); first += 128) {
    const std::size_t end = std::min(first + 128, x.size());
    double sum = 0.0, largest = 0.0;
    for (std::size_t i = first; i < end; ++i) sum += std::fabs(x[i]), largest = std::max(largest, std::fabs(x[i]));
    const double mean = sum / static_cast<double>(end - first), step = largest / 127.0;
    for (std::size_t i = first; i < end; ++i) {
      if (bits == 1) out[i] = x[i] < 0.0 ? -mean : mean;
      if (bits == 8 && step > 0.0) out[i] = step * std::nearbyint(x[i] / step);
    }
  }
  return out;
}

// What a step has made of `before`, against the definition. Returns what is wrong with it, or "".
std::string wrong_step(const ApmConfig& c, const std::vector<Tensor>& before, const std::vector<Tensor>& after,
                       const std::vector<std::vector<std::vector<double>>>& gradients, int steps) {
  const std::size_t n = gradients.size();
  const double decay = c.optimizer.weight_decay;
  for (std::size_t k = 0; k < before.size(); ++k) {
    const Tensor &a = before[k], &z = after[k];
    const std::string where = ", tensor " + std::to_string(k) + ", step " + std::to_string(steps);
    if (z.v != a.v) return "v is not frozen" + where;
    std::vector<double> mean(a.w.size(), 0.0), spread(a.w.size());
    std::vector<std::vector<double>> exact, coded;  // of each worker, then of the mean
    for (std::size_t i = 0; i < n; ++i) {
      exact.emplace_back(a.w.size()), coded.emplace_back(a.w.size());
      for (std::size_t j = 0; j < a.w.size(); ++j) {
        const double kept = c.squeeze.error_feedback ? a.errors[i][j] : 0.0;
        exact[i][j] = kBeta1 * a.m[j] + (1 - kBeta1) * gradients[i][k][j] + kept;
        coded[i][j] = c.squeeze.error_feedback ? exact[i][j] - z.errors[i][j] : 0.0;
        mean[j] += coded[i][j] / static_cast<double>(n);
      }
    }
    if (c.squeeze.error_feedback) {
      exact.emplace_back(a.w.size()), coded.emplace_back(z.m);
      for (std::size_t j = 0; j < a.w.size(); ++j) exact[n][j] = mean[j] + a.mean_error[j];
      for (std::size_t j = 0; j < a.w.size(); ++j) {
        if (std::fabs(exact[n][j] - z.mean_error[j] - z.m[j]) > 1e-6) return "the mean's error" + where;
      }
      for (std::size_t i = 0; i < exact.size(); ++i) {
        for (std::size_t first = 0; first < a.w.size(); first += 128) {
          const std::size_t end = std::min(first + 128, a.w.size());
          const auto cut = [&](const std::vector<double>& x) {
            return std::vector<double>(x.begin() + static_cast<std::ptrdiff_t>(first),
                                       x.begin() + static_cast<std::ptrdiff_t>(end));
          };
          if (!is_code_of(cut(exact[i]), cut(coded[i]), c.squeeze.bits)) {
            return "the code of " + (i < n ? "worker " + std::to_string(i) : std::string("the mean")) + where;
          }
        }
      }
    }
    if (!c.squeeze.error_feedback) {
      // Nobody keeps what the workers lost: their codes, and the mean's, are those of the definition.
      std::vector<double> sum(a.w.size(), 0.0);
      for (const auto& worker : exact) {
        const std::vector<double> codes = codes_of(worker, c.squeeze.bits);
        for (std::size_t j = 0; j < sum.size(); ++j) sum[j] += codes[j] / static_cast<double>(n);
      }
      const std::vector<double> codes = codes_of(sum, c.squeeze.bits);
      // A value between two codes may go either way in float32: with 8 bits to the next code, with 1 bit where it is
      // next to 0. Then the mean that comes of it may, too.
      double largest = 0.0;
      std::size_t apart = 0;
      for (const double x : sum) largest = std::max(largest, std::fabs(x));
      for (std::size_t j = 0; j < sum.size(); ++j) {
        const double by = std::fabs(codes[j] - z.m[j]);
        if (c.squeeze.bits == 8 && by > 1.01 * largest / 127.0 + 1e-7) return "momentum without errors" + where;
        apart += by > 1e-5 * largest + 1e-6 ? 1 : 0;
      }
      if (c.squeeze.bits != 8 && apart > 0) return "momentum without errors" + where;
    }
    for (std::size_t j = 0; j < a.w.size(); ++j) {
      const double root = std::sqrt(a.v[j] / (1 - std::pow(kBeta2, static_cast<double>(*c.squeeze.warmup))));
      double u = z.m[j] / (1 - std::pow(kBeta1, steps + 1)) / (root + kEps);
      if (c.squeeze.clip > 0.0) u = std::clamp(u, -c.squeeze.clip, c.squeeze.clip);
      const double w = (1 - kRate * decay) * a.w[j] - kRate * u;
      if (std::fabs(w - z.w[j]) > 1e-6 * (std::fabs(w) + kRate * std::fabs(u))) return "a weight" + where;
    }
  }
  return "";
}

}  // namespace

TEST_CASE("every step is what the definition says") {
  for (const std::int64_t bits : {1, 8, 32}) {
    for (const int workers : {1, 2, 4, 6}) {
      for (const bool all : {true, false}) {
        ApmConfig c = squeezed(bits, 5);
        c.squeeze.error_feedback = all;
        c.squeeze.clip = all ? 1.0 : 0.0;
        if (!all) c.optimizer.weight_decay = 0.1, c.optimizer.decoupled_weight_decay = true;
        const Setup s = setup_of(c, workers);
        const Start start = start_of(s);
        Training training(s, start, workers);
        training.forward();
        training.iterate(0, 5);
        std::vector<Tensor> before = tensors_of(training.state(), 5);
        for (int step = 5; step < 14; ++step) {
          const auto gradients = worker_gradients(s, start, training.network(), *c.microbatches);
          training.iterate(step, 1);
          const std::vector<Tensor> after = tensors_of(training.state(), 5);
          INFO(bits << " bits, " << workers << " workers, feedback " << all);
          CHECK(wrong_step(c, before, after, gradients, step) == "");
          before = after;
        }
      }
    }
  }
}

namespace {

// The gradients of groups of `each` workers: the means of theirs.
std::vector<std::vector<std::vector<double>>> group_gradients(
    const std::vector<std::vector<std::vector<double>>>& workers, std::size_t each) {
  std::vector<std::vector<std::vector<double>>> groups;
  for (std::size_t first = 0; first < workers.size(); first += each) {
    groups.push_back(workers[first]);
    for (std::size_t k = 0; k < groups.back().size(); ++k) {
      for (std::size_t j = 0; j < groups.back()[k].size(); ++j) {
        double sum = 0.0;
        for (std::size_t i = first; i < first + each; ++i) sum += workers[i][k][j];
        groups.back()[k][j] = sum / static_cast<double>(each);
      }
    }
  }
  return groups;
}

}  // namespace

TEST_CASE("groups of workers compress what they have together") {
  for (const std::int64_t bits : {1, 8, 32}) {
    for (const auto& [workers, each] : {std::pair{4, 2}, {6, 2}, {6, 3}, {4, 4}}) {
      for (const bool hosts : {false, true}) {
        if (hosts && each == workers) continue;  // one host is none
        ApmConfig c = squeezed(bits, 3);
        if (!hosts) c.squeeze.group = each;
        Setup s = setup_of(c, workers);
        s.per_host = hosts ? each : 0;
        const Start start = start_of(s);
        Training training(s, start, workers);
        training.forward();
        training.iterate(0, 3);
        std::vector<Tensor> before = tensors_of(training.state(), 5);
        for (int step = 3; step < 9; ++step) {
          const auto gradients = worker_gradients(s, start, training.network(), *c.microbatches);
          training.iterate(step, 1);
          const std::vector<Tensor> after = tensors_of(training.state(), 5);
          INFO(bits << " bits, " << workers << " workers, " << each << " in a group, step " << step);
          CHECK(wrong_step(c, before, after, group_gradients(gradients, static_cast<std::size_t>(each)), step) == "");
          for (int rank = 1; rank < workers; ++rank) CHECK(training.weights_of(rank) == training.weights_of(0));
          before = after;
        }
      }
    }
  }
}

TEST_CASE(
    "groups of workers: bits do not depend on layers' devices, what is sent follows the formula, and runs go on") {
  for (const auto& [workers, each] : {std::pair{4, 2}, {6, 3}}) {
    ApmConfig c = squeezed(1, 2);
    c.squeeze.group = each;
    Setup s = setup_of(c, workers);
    const Start start = start_of(s);
    Training whole(s, start, workers);
    whole.forward();
    whole.iterate(0, 2);
    whole.settle();
    const std::uint64_t warm = whole.bytes_sent();
    whole.iterate(2, 3);
    whole.settle();
    CompressedMean::Sent sum;
    for (const auto& sent : ApmProgram::bytes_sent(s.widths, {1, 5}, c.squeeze, workers, each)) {
      sum.float32 += sent.float32, sum.within += sent.within, sum.between += sent.between;
    }
    const std::int64_t losses = 16 * 6 * (workers - 1);
    CHECK(whole.bytes_sent() - warm == static_cast<std::uint64_t>(3 * (sum.all() + losses)));
    // Between groups each of which sends 2 (groups − 1)/groups of the codes, whatever their size; within them float32.
    const std::int64_t values = 640 + 128 + 384 + 128 + 256 + 128 + 128 + 128 + 128 + 128,
                       message = values / 8 + 4 * values / 128;
    const std::int64_t groups = workers / each;
    CHECK(sum.between >= 2 * (groups - 1) * message);
    CHECK(sum.between <= 2 * (groups - 1) * (message + 32 * workers));
    CHECK(sum.float32 == groups * (each - 1) * 4 * values);
    const TrainingState saved = whole.state();
    whole.iterate(5, 4);
    for (const int ranges : {1, 2, 5}) {
      for (const RankOrder order : {RankOrder::shards, RankOrder::layers}) {
        s.order = order;
        Training other(s, start, ranges * workers), again(s, start, ranges * workers);
        other.go_on_from(saved, 5, 4);
        again.forward();
        again.iterate(0, 9);
        INFO(workers << " workers, " << ranges << " runs of layers");
        CHECK(first_difference(whole.state(), other.state()) == "");
        CHECK(first_difference(whole.state(), again.state()) == "");
      }
    }
    // On other groups the errors are those of fewer, or of more.
    c.squeeze.group = 1;
    Setup alone = setup_of(c, workers);
    StageSpec spec;
    spec.widths = s.widths, spec.placement.shards = workers;
    const auto fitted = method_of(alone)->fitted_state(saved, spec);
    REQUIRE(fitted.has_value());
    CHECK(fitted->note.find("of 2 workers become those of " + std::to_string(workers)) != std::string::npos);
    Training single(alone, start, workers);
    single.restore(fitted->state);
    const auto gradients = worker_gradients(s, start, single.network(), *c.microbatches);
    single.iterate(5, 1);
    CHECK(wrong_step(c, tensors_of(fitted->state, 5), tensors_of(single.state(), 5), gradients, 5) == "");
    const auto back = method_of(s)->fitted_state(fitted->state, spec);
    REQUIRE(back.has_value());
    const std::vector<double> were = doubles(fitted->state, "worker_error1"),
                              are = doubles(back->state, "worker_error1");
    CHECK(back->state.at("worker_error1").rows == saved.at("worker_error1").rows);
    CHECK(std::equal(are.begin(), are.end(), were.begin()));  // all workers had the same ones
  }
  // Hosts of which some have all workers of some layers, and none of others, are no groups.
  Setup mixed = setup_of(squeezed(1, 2), 4);
  const Start mixed_start = start_of(mixed);
  Training flat(mixed, mixed_start, 4);
  mixed.per_host = 6;
  Training hosts(mixed, mixed_start, 12);
  for (Training* training : {&flat, &hosts}) training->forward(), training->iterate(0, 6);
  CHECK(first_difference(flat.state(), hosts.state()) == "");
  // By layers first, each host has two workers of every layer.
  mixed.order = RankOrder::layers;
  Training pairs(mixed, mixed_start, 12);
  mixed.per_host = 2, mixed.order = RankOrder::shards;
  Training four(mixed, mixed_start, 4);
  for (Training* training : {&pairs, &four}) training->forward(), training->iterate(0, 6);
  CHECK(first_difference(pairs.state(), four.state()) == "");
  CHECK(first_difference(pairs.state(), flat.state()) != "");
  StageSpec spec;
  spec.placement.ranges = {{1, 2}, {3, 5}}, spec.placement.shards = 4;
  const auto per_host = [&](const std::vector<int>& on) {
    spec.placement.hosts = on;
    return spec.shards_per_host();
  };
  CHECK(per_host({}) == 1);
  CHECK(per_host({0, 0, 1, 1, 0, 0, 1, 1}) == 2);
  CHECK(per_host({0, 0, 1, 1, 2, 2, 3, 3}) == 2);
  CHECK(per_host({0, 0, 1, 1, 0, 1, 0, 1}) == 1);
  CHECK(per_host({0, 1, 0, 1, 0, 0, 1, 1}) == 1);
  ApmConfig c = squeezed(1, 2);
  c.squeeze.group = 3;
  const Setup s = setup_of(c, 4);
  CHECK_THROWS_WITH(Training(s, start_of(s), 4),
                    Catch::Matchers::Contains("`method.squeeze.group` is 3: must divide the 4 workers"));
}

TEST_CASE("groups of workers have no race and no deadlock") {
  for (const auto& [devices, workers, each] : {std::tuple{4, 4, 2}, {6, 6, 3}, {8, 4, 2}}) {
    ApmConfig c = squeezed(8, 2);
    c.squeeze.group = each;
    const Setup s = setup_of(c, workers);
    for (const std::uint64_t seed : {1, 2, 3}) {
      const auto fault = fault_of_training(s, devices, {}, seed);
      INFO(devices << " devices: " << (fault ? fault->what() : ""));
      CHECK_FALSE(fault.has_value());
    }
  }
}

TEST_CASE("momentum that is sent, and what is yet to be sent, add up to the momentum that there was") {
  for (const std::int64_t bits : {1, 8}) {
    ApmConfig c = squeezed(bits, 3);
    const Setup s = setup_of(c, 4);
    const Start start = start_of(s);
    Training training(s, start, 4);
    training.forward();
    training.iterate(0, 3);
    std::vector<Tensor> last = tensors_of(training.state(), 5);
    std::vector<std::vector<double>> sent(last.size()), made(last.size());
    for (std::size_t k = 0; k < last.size(); ++k) sent[k].resize(last[k].w.size()), made[k].resize(last[k].w.size());
    for (int step = 3; step < 23; ++step) {
      const auto gradients = worker_gradients(s, start, training.network(), *c.microbatches);
      training.iterate(step, 1);
      const std::vector<Tensor> now = tensors_of(training.state(), 5);
      for (std::size_t k = 0; k < last.size(); ++k) {
        for (std::size_t j = 0; j < last[k].w.size(); ++j) {
          sent[k][j] += now[k].m[j];
          for (const auto& worker : gradients) {
            made[k][j] += (kBeta1 * last[k].m[j] + (1 - kBeta1) * worker[k][j]) / 4.0;
          }
        }
      }
      last = now;
    }
    double worst = 0.0, left = 0.0;
    for (std::size_t k = 0; k < last.size(); ++k) {
      for (std::size_t j = 0; j < last[k].w.size(); ++j) {
        double rest = last[k].mean_error[j];
        for (const auto& worker : last[k].errors) rest += worker[j] / 4.0;
        worst = std::max(worst, std::fabs(made[k][j] - rest - sent[k][j]));
        left = std::max(left, std::fabs(rest));
      }
    }
    // 20 sums in float32 of momentum below 0.3.
    CHECK(worst < 20 * 0x1p-23);
    CHECK(left > 100 * worst);  // the test can tell
  }
}

TEST_CASE("the warm-up is Adam, bit by bit") {
  for (const int workers : {1, 4}) {
    ApmConfig c = squeezed(1, 50);
    c.dropout = 0.2;
    const Setup s = setup_of(c, workers);
    Setup adam = gamlp::test::setup_of("adam", kRate, 6);
    adam.widths = s.widths, adam.nodes = s.nodes, adam.weight_scale = s.weight_scale;
    adam.shards = workers, adam.backprop.dropout = 0.2;
    const Start start = start_of(s);
    Training squeezed_training(s, start, workers), plain(adam, start, workers);
    for (Training* training : {&squeezed_training, &plain}) training->forward(), training->iterate(0, 12);
    const TrainingState a = squeezed_training.state(), b = plain.state();
    for (const auto& [name, tensor] : b) {
      INFO(name);
      CHECK(a.at(name).data == tensor.data);
    }
  }
}

TEST_CASE("all workers have the same weights after every step") {
  for (const std::int64_t bits : {1, 8}) {
    const Setup s = setup_of(squeezed(bits, 2), 6);
    Training training(s, start_of(s), 6);
    training.forward();
    std::vector<float> last;
    for (int step = 0; step < 8; ++step) {
      training.iterate(step, 1);
      const std::vector<float> first = training.weights_of(0);
      CHECK(first != last);
      for (int rank = 1; rank < 6; ++rank) CHECK(training.weights_of(rank) == first);
      last = first;
    }
  }
}

TEST_CASE("bits do not depend on the partition of the layers") {
  for (const int workers : {1, 3}) {
    Setup s = setup_of(squeezed(1, 2), workers);
    const Start start = start_of(s);
    TrainingState one;
    for (const int ranges : {1, 2, 5}) {
      for (const RankOrder order : {RankOrder::shards, RankOrder::layers}) {
        s.order = order;
        Training training(s, start, ranges * workers);
        training.forward();
        training.iterate(0, 9);
        const TrainingState state = training.state();
        if (one.empty()) one = state;
        INFO(workers << " workers, " << ranges << " runs of layers");
        CHECK(first_difference(one, state) == "");
      }
    }
  }
}

TEST_CASE("workers send what the formula says") {
  for (const std::int64_t bits : {1, 8, 32}) {
    for (const int workers : {1, 2, 3, 6}) {
      const ApmConfig c = squeezed(bits, 4);
      const Setup s = setup_of(c, workers);
      Training training(s, start_of(s), workers);
      training.forward();
      training.iterate(0, 4);
      training.settle();
      const std::uint64_t warm = training.bytes_sent();
      training.iterate(4, 10);
      training.settle();
      std::int64_t each = 16 * 6 * (workers - 1);  // the losses of 6 micro-batches
      for (const auto& sent : ApmProgram::bytes_sent(s.widths, {1, 5}, c.squeeze, workers)) each += sent.all();
      CHECK(training.bytes_sent() - warm == static_cast<std::uint64_t>(10 * each));
      // 2 (n − 1) times codes and scales, of tensors padded to 128 values; each part ends at a multiple of 16 bytes.
      const std::int64_t values = 640 + 128 + 384 + 128 + 256 + 128 + 128 + 128 + 128 + 128, blocks = values / 128;
      const std::int64_t message = values * bits / 8 + (bits < 32 ? 4 * blocks : 0);
      CHECK(each - 16 * 6 * (workers - 1) >= 2 * (workers - 1) * message);
      CHECK(each - 16 * 6 * (workers - 1) <= 2 * (workers - 1) * (message + 16 * workers));
    }
  }
}

TEST_CASE("training goes on from a saved state to the same bits, also on other layers' devices") {
  for (const int done : {2, 3, 6}) {  // in the warm-up, at its end, after it
    Setup s = setup_of(squeezed(1, 3), 3);
    const Start start = start_of(s);
    Training whole(s, start, 3);
    whole.forward();
    whole.iterate(0, done);
    const TrainingState saved = whole.state();
    whole.iterate(done, 5);
    for (const int devices : {3, 6, 15}) {
      Training other(s, start, devices);
      other.go_on_from(saved, done, 5);
      INFO(done << " epochs, " << devices << " devices");
      CHECK(first_difference(whole.state(), other.state()) == "");
    }
  }
}

TEST_CASE("a stage that starts from other weights begins anew") {
  Setup s = setup_of(squeezed(1, 2), 3);
  const Start start = start_of(s);
  Training again(s, start, 3), fresh(s, start, 3);
  again.forward();
  again.iterate(0, 6);
  const TrainingState saved = again.state();
  again.restart(saved);
  again.iterate(0, 4);
  fresh.forward();
  TrainingState only_weights = fresh.state();
  for (auto& [key, tensor] : only_weights) {
    if (key[0] == 'W' || key[0] == 'b') tensor = saved.at(key);
  }
  fresh.restore(only_weights);
  fresh.forward();
  fresh.iterate(0, 4);
  CHECK(first_difference(fresh.state(), again.state()) == "");
}

TEST_CASE("with steps of a batch the warm-up lasts its epochs, and workers stay the same") {
  ApmConfig c = squeezed(1, 2);
  c.batch = 12;  // 2 steps
  const Setup s = setup_of(c, 3);
  const Start start = start_of(s);
  Training training(s, start, 3);
  training.forward();
  std::vector<std::uint64_t> sent;
  for (int epoch = 0; epoch < 5; ++epoch) {
    training.iterate(epoch, 1);
    training.settle();
    sent.push_back(training.bytes_sent());
    for (int rank = 1; rank < 3; ++rank) CHECK(training.weights_of(rank) == training.weights_of(0));
  }
  const auto of = [&](int epoch) {
    return sent[static_cast<std::size_t>(epoch)] - sent[static_cast<std::size_t>(epoch) - 1];
  };
  std::int64_t step = 0;
  for (const auto& own : ApmProgram::bytes_sent(s.widths, {1, 5}, c.squeeze, 3)) step += own.all();
  CHECK(of(1) == sent[0]);
  CHECK(of(2) == static_cast<std::uint64_t>(2 * step + 16 * 6 * 2));  // and the losses, once
  CHECK(of(4) == of(2));
  CHECK(of(1) > 3 * of(2));
}

TEST_CASE("v settles when that of all layers does, two epochs later, whatever the rest of the warm-up") {
  ApmConfig c = squeezed(1, 40);
  c.squeeze.settled = 0.9;
  const Setup s = setup_of(c, 2);
  for (const int devices : {2, 10}) {
    Training training(s, start_of(s), devices);
    training.forward();
    std::uint64_t before = 0;
    const auto sent = [&](std::int64_t epoch) {
      training.iterate(epoch, 1);
      training.settle();
      return training.bytes_sent() - std::exchange(before, training.bytes_sent());
    };
    // The roots of all layers but one stay, and that one makes half of the sum.
    const auto observe = [&](std::int64_t epoch, double last) {
      std::vector<double> scalars(5 * ApmProgram::kSettledScalars, 1.0);
      const auto root = [&](std::int64_t at) -> double& {
        return scalars[4 * ApmProgram::kSettledScalars + static_cast<std::size_t>(ApmProgram::kRoots + at % 11)];
      };
      // v without its bias.
      for (std::int64_t at = epoch - 10; at <= epoch; at += 10) {
        for (std::size_t layer = 0; layer < 5; ++layer) {
          scalars[layer * ApmProgram::kSettledScalars + static_cast<std::size_t>(ApmProgram::kRoots + at % 11)] =
              std::sqrt(1.0 - std::pow(kBeta2, static_cast<double>(at + 1)));
        }
        root(at) *= at == epoch ? last : 4.0;
      }
      training.observe(epoch, scalars);
    };
    const std::uint64_t float32 = sent(0);
    for (int epoch = 1; epoch <= 10; ++epoch) CHECK(sent(epoch) == float32);
    observe(9, 4.0);   // has no value of 10 epochs before
    observe(10, 8.0);  // not settled: 12 of 8
    CHECK(sent(11) == float32);
    CHECK(sent(12) == float32);
    observe(12, 2.0);  // 6 of 8
    CHECK(sent(13) == float32);
    CHECK(sent(14) == float32);
    observe(14, 4.5);  // 8.5 of 8
    CHECK(sent(15) == float32);
    CHECK(sent(16) < float32 / 2);
    observe(16, 4.0);
    CHECK(sent(17) < float32 / 2);
  }
}

TEST_CASE("on other workers, what is yet to be sent stays the same") {
  const ApmConfig c = squeezed(1, 3);
  Setup s = setup_of(c, 4);
  const Start start = start_of(s);
  Training before(s, start, 4);
  before.forward();
  before.iterate(0, 8);
  const TrainingState saved = before.state();
  const auto rest = [](const std::vector<Tensor>& tensors) {
    std::vector<double> all;
    for (const Tensor& t : tensors) {
      for (std::size_t j = 0; j < t.w.size(); ++j) {
        double sum = t.mean_error[j];
        for (const auto& worker : t.errors) sum += worker[j] / static_cast<double>(t.errors.size());
        all.push_back(sum);
      }
    }
    return all;
  };
  const std::vector<double> yet = rest(tensors_of(saved, 5));
  for (const int workers : {1, 2, 6}) {
    s.shards = workers;
    StageSpec spec;
    spec.widths = s.widths;
    spec.placement.shards = workers;
    const std::optional<FittedState> fitted = method_of(s)->fitted_state(saved, spec);
    REQUIRE(fitted.has_value());
    CHECK(fitted->note.find("of 4 workers become those of " + std::to_string(workers)) != std::string::npos);
    CHECK(largest_difference(yet, rest(tensors_of(fitted->state, 5))) < 1e-8);
    Training other(s, start, workers);
    other.restore(fitted->state);
    CHECK(first_difference(other.state(), fitted->state) == "");
    const auto gradients = worker_gradients(s, start, other.network(), *c.microbatches);
    other.iterate(8, 1);
    CHECK(wrong_step(c, tensors_of(fitted->state, 5), tensors_of(other.state(), 5), gradients, 8) == "");
  }
  StageSpec same;
  same.widths = s.widths;
  same.placement.shards = 4;
  s.shards = 4;
  CHECK_FALSE(method_of(s)->fitted_state(saved, same).has_value());
  // Errors of a worker once were a row.
  TrainingState old = saved;
  for (auto& [name, tensor] : old) {
    if (name.starts_with("worker_error")) tensor.cols = tensor.rows / 4, tensor.rows = 4;
  }
  const std::optional<FittedState> today = method_of(s)->fitted_state(old, same);
  REQUIRE(today.has_value());
  CHECK(today->note.empty());
  CHECK(first_difference(today->state, saved) == "");
  CHECK(today->state.at("worker_error1").cols == 1);
}

TEST_CASE("a clip keeps steps within learning rates, and a floor keeps roots up") {
  for (const double clip : {0.0, 0.5}) {
    ApmConfig c = squeezed(1, 3);
    c.squeeze.clip = clip;
    const Setup s = setup_of(c, 4);
    Training training(s, start_of(s), 4);
    training.forward();
    training.iterate(0, 3);
    const std::vector<float> before = training.weights_of(0);
    training.iterate(3, 1);
    const std::vector<float> after = training.weights_of(0);
    double furthest = 0.0;
    for (std::size_t i = 0; i < after.size(); ++i) {
      furthest = std::max(furthest, std::fabs(static_cast<double>(after[i]) - static_cast<double>(before[i])));
    }
    CHECK((furthest <= 0.5 * kRate * 1.0001) == (clip > 0.0));
  }
  ApmConfig c = squeezed(1, 3);
  c.squeeze.floor = 0.3;
  const Setup s = setup_of(c, 2);
  Training training(s, start_of(s), 2);
  training.forward();
  training.iterate(0, 3);
  const std::vector<Tensor> before = tensors_of(training.state(), 5);
  training.iterate(3, 2);
  const std::vector<Tensor> after = tensors_of(training.state(), 5);
  for (std::size_t k = 0; k < before.size(); ++k) {
    double mean = 0.0;
    for (const double v : before[k].v) mean += std::sqrt(v) / static_cast<double>(before[k].v.size());
    for (std::size_t j = 0; j < before[k].v.size(); ++j) {
      const double least = std::max(before[k].v[j], 0.09 * mean * mean);
      CHECK(after[k].v[j] == Approx(least).epsilon(1e-5).margin(1e-30));
    }
  }
}

TEST_CASE("error feedback is what makes 1 bit train") {
  double losses[2];
  for (const bool feedback : {false, true}) {
    ApmConfig c = squeezed(1, 20);
    c.squeeze.error_feedback = feedback;
    const Setup s = setup_of(c, 4);
    Training training(s, start_of(s), 4);
    training.forward();
    training.iterate(0, 200);
    losses[feedback ? 1 : 0] = training.scalars().back();
  }
  INFO(losses[0] << " without, " << losses[1] << " with");
  CHECK(losses[1] < 0.5 * losses[0]);
}

TEST_CASE("momentum of one worker that is not finite reaches every worker, and the loss tells") {
  const Setup s = setup_of(squeezed(8, 2), 3);
  Start start = start_of(s);
  Training training(s, start, 3);
  training.forward();
  training.iterate(0, 4);
  TrainingState state = training.state();
  HostTensor& errors = state.at("worker_error2");  // one value of the second worker
  const float nan = std::numeric_limits<float>::quiet_NaN();
  std::memcpy(errors.row(1), &nan, sizeof nan);
  training.restore(state);
  training.iterate(4, 2);
  CHECK_THROWS_WITH(training.objective(), Catch::Contains("the loss is not finite"));
}

namespace {

std::optional<sim::SimulationFault> simulated(int devices, int workers, FaultyContexts contexts,
                                              std::uint64_t seed = 1) {
  ApmConfig c = squeezed(1, 2);
  c.squeeze.floor = 0.1;
  return fault_of_training(setup_of(c, workers), devices, std::move(contexts), seed);
}

}  // namespace

TEST_CASE("workers have no race and no deadlock, on any grid") {
  for (const auto& [devices, workers] : {std::pair{1, 1}, {2, 2}, {3, 3}, {4, 2}, {5, 1}, {6, 6}, {9, 3}}) {
    for (const std::uint64_t seed : {1, 2, 3}) {
      const auto fault = simulated(devices, workers, {}, seed);
      INFO(devices << " devices, " << workers << " workers: " << (fault ? fault->what() : ""));
      CHECK_FALSE(fault.has_value());
    }
  }
}

TEST_CASE("every wait of the workers that is removed is found as a race") {
  std::set<std::string> waits;
  REQUIRE_FALSE(simulated(2, 2, listening(waits)).has_value());
  int own = 0;
  for (const std::string& removed : waits) {
    if (removed.find("compressed") == std::string::npos) continue;  // the others: see backpropagation
    ++own;
    bool found = false;
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
      const auto fault = simulated(2, 2, without_wait(removed), seed);
      found = found || (fault && fault->kind == FaultKind::race);
    }
    INFO("without the wait for " << removed);
    CHECK(found);
  }
  CHECK(own == 4);
}
