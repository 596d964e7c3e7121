// Quantising ops and their receivers: round trip, error bounds, and both sides equal for thousands of rounds.
#include "tests/cpu/codec.hpp"

#include "tests/cpu/bench.hpp"

using namespace gamlp;
using namespace gamlp::test;

namespace {

Mat view_of(std::vector<float>& x) { return {x.data(), 1, static_cast<std::int64_t>(x.size())}; }

std::vector<float> normals(Random& random, std::int64_t n, double scale) {
  std::vector<float> x(static_cast<std::size_t>(n));
  for (float& value : x) value = static_cast<float>(scale * random.normal());
  return x;
}

// One coded target; the receiver must hold the same bits as the sender. Returns what they hold.
std::vector<float> sent(Codec& codec, std::vector<float> target, const std::vector<float>& held) {
  cpu::Scratch scratch;
  std::vector<float> mine = held, theirs = held;
  cpu::run(ops::PTarget{view_of(target), view_of(mine), codec.quantize}, scratch);
  cpu::run(ops::PReceive{codec.quantize.message, view_of(theirs), codec.quantize.format}, scratch);
  CHECK(same_bits(mine, theirs));
  return mine;
}

}  // namespace

TEST_CASE("round trip and error bound for every width, coding, range and rounding") {
  Random random(2);
  for (const int bits : {1, 2, 4, 8, 16}) {
    for (const Coding coding : {Coding::value, Coding::difference}) {
      for (const Range range : {Range::fixed, Range::tensor, Range::block}) {
        for (const Rounding rounding : {Rounding::nearest, Rounding::stochastic}) {
          for (const std::int64_t n : {1, 7, 64, 65, 1024, 1025, 3000}) {
            const WireFormat format = wire(bits, coding, range);
            Codec codec(format, n, rounding);
            const std::vector<float> target = normals(random, n, 0.8), held = normals(random, n, 0.3);
            const std::vector<float> got = sent(codec, target, held);
            // The bound, from the data in double: a step of the group's range; out of a fixed grid's or a 1-bit
            // magnitude's reach, the distance to the end comes on top.
            const std::int64_t group = range == Range::block ? format.block : n;
            bool good = true;
            for (std::int64_t first = 0; first < n; first += group) {
              const std::int64_t end = std::min(n, first + group);
              double low = 1e30, high = -1e30, sum = 0.0;
              const auto coded = [&](std::int64_t i) {
                const auto k = static_cast<std::size_t>(i);
                return static_cast<double>(target[k]) -
                       (coding == Coding::difference ? static_cast<double>(held[k]) : 0.0);
              };
              for (std::int64_t i = first; i < end; ++i) {
                low = std::min(low, coded(i)), high = std::max(high, coded(i)), sum += std::abs(coded(i));
              }
              if (coding == Coding::difference) {
                high = bits == 1 ? sum / static_cast<double>(end - first) : std::max(-low, high);
                low = -high;
              }
              if (range == Range::fixed) low = -3.0, high = 3.0;
              const double step = (high - low) / ((1 << bits) - 1);
              for (std::int64_t i = first; i < end; ++i) {
                const auto k = static_cast<std::size_t>(i);
                const double beyond = std::max({0.0, coded(i) - high, low - coded(i)});
                const double size = std::abs(low) + std::abs(high) + std::abs(static_cast<double>(held[k])) + beyond;
                const double bound = step * (rounding == Rounding::nearest ? 0.5 : 1.0) + beyond + 16 * kEps * size;
                good = good && std::abs(static_cast<double>(got[k]) - static_cast<double>(target[k])) <= bound;
              }
            }
            INFO("bits " << bits << " coding " << static_cast<int>(coding) << " range " << static_cast<int>(range)
                         << " rounding " << static_cast<int>(rounding) << " values " << n);
            CHECK(good);
          }
        }
      }
    }
  }
}

TEST_CASE("float32 messages are exact") {
  Random random(3);
  Codec codec(wire(32, Coding::value, Range::tensor), 1500);
  const std::vector<float> target = normals(random, 1500, 1.0);
  CHECK(same_bits(sent(codec, target, std::vector<float>(1500)), target));
}

TEST_CASE("degenerate tensors survive the codec") {
  Random random(4);
  for (const int bits : {1, 2, 4, 8, 16}) {
    for (const Coding coding : {Coding::value, Coding::difference}) {
      for (const Range range : {Range::tensor, Range::block}) {
        for (const std::int64_t n : {1, 100}) {
          const std::size_t size = static_cast<std::size_t>(n);
          const std::vector<float> zeros(size), same(size, -2.75f);
          Codec codec(wire(bits, coding, range), n);
          CHECK(same_bits(sent(codec, zeros, zeros), zeros));
          CHECK(same_bits(sent(codec, same, same), same));
          const std::vector<float> arrived = sent(codec, same, zeros);
          for (const float x : arrived) CHECK(x == Approx(-2.75).epsilon(1e-6));
          for (const float bad : {std::nanf(""), INFINITY, -INFINITY, 3e38f, 1e-40f}) {  // must not crash
            std::vector<float> target = normals(random, n, 1.0);
            target[size / 2] = bad;
            sent(codec, target, zeros);
          }
        }
      }
    }
  }
}

TEST_CASE("stochastic rounding is seeded, differs by iteration, and is unbiased through the op") {
  Random random(5);
  const std::int64_t n = 500;
  const std::vector<float> target = normals(random, n, 1.0), zeros(static_cast<std::size_t>(n));
  Codec codec(wire(2, Coding::value, Range::tensor), n, Rounding::stochastic);
  const std::vector<float> first = sent(codec, target, zeros);
  CHECK(same_bits(sent(codec, target, zeros), first));
  std::vector<double> mean(static_cast<std::size_t>(n), 0.0);
  constexpr int kRounds = 4000;
  for (codec.iteration = 1; codec.iteration <= kRounds; ++codec.iteration) {
    const std::vector<float> x = sent(codec, target, zeros);
    if (codec.iteration == 1) CHECK_FALSE(same_bits(x, first));
    for (std::size_t i = 0; i < mean.size(); ++i) mean[i] += static_cast<double>(x[i]) / kRounds;
  }
  const auto [low, high] = std::minmax_element(target.begin(), target.end());
  const double step = static_cast<double>(*high - *low) / 3.0;
  // Per value a standard deviation of step/2 at most; five standard errors over 500 values.
  for (std::size_t i = 0; i < mean.size(); ++i) {
    CHECK(std::abs(mean[i] - static_cast<double>(target[i])) <= 5.0 * 0.5 * step / std::sqrt(double{kRounds}));
  }
}

TEST_CASE("error feedback makes the sum of what arrives follow the sum of the targets") {
  Random random(6);
  const std::int64_t n = 200;
  std::vector<float> held(static_cast<std::size_t>(n));
  const std::vector<float> target = normals(random, n, 1.0);
  Codec codec(wire(4, Coding::value, Range::tensor), n, Rounding::nearest, true);
  std::vector<double> sum(static_cast<std::size_t>(n), 0.0);
  constexpr int kRounds = 200;
  for (int round = 0; round < kRounds; ++round) {
    held = sent(codec, target, held);
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += static_cast<double>(held[i]);
  }
  // Σ x̂ = k·x + e_0 − e_k exactly, and |e| stays below half a step of the range with errors in it.
  const double range = 2.0 * (static_cast<double>(*std::max_element(target.begin(), target.end())) + 4.0);
  for (std::size_t i = 0; i < sum.size(); ++i) {
    const double carried = static_cast<double>(codec.errors[i]);
    CHECK(sum[i] + carried == Approx(kRounds * static_cast<double>(target[i])).margin(kRounds * 16 * kEps * range));
    CHECK(std::abs(carried) <= range / 15.0);
  }
}

// The sender's p with its receiver's copy, the sender's q, u with theirs, for thousands of rounds of moving targets.
TEST_CASE("both sides hold the same p, q and u after 5,000 rounds of differences") {
  cpu::Scratch scratch;
  for (const int bits : {1, 2, 4, 8}) {
    for (const Range range : {Range::tensor, Range::block}) {
      Random random(static_cast<std::uint64_t>(bits));
      const std::int64_t n = 150;
      const std::vector<float> zeros(static_cast<std::size_t>(n));
      const WireFormat format = wire(bits, Coding::difference, range, 32);
      Codec p_codec(format, n, Rounding::stochastic), q_codec(format, n, Rounding::nearest);
      // Owner of the upper layer: p; copies of q, u. Owner of the lower layer: q, u; copy of p.
      std::vector<float> p = zeros, q_copy = zeros, u_copy = zeros, q = zeros, u = zeros, p_copy = zeros;
      std::vector<float> z = normals(random, n, 1.0), target = normals(random, n, 1.0);
      double sums[4];
      const ActivationRule relu;
      bool equal = true;
      for (int round = 0; round < 5000; ++round) {
        for (float& x : z) x = 0.99f * x + 0.1f * static_cast<float>(random.normal());
        for (std::size_t i = 0; i < target.size(); ++i) target[i] = 0.5f * (q_copy[i] - u_copy[i] + z[i]);
        p_codec.iteration = q_codec.iteration = static_cast<std::uint32_t>(round);
        cpu::run(ops::PTarget{view_of(target), view_of(p), p_codec.quantize}, scratch);
        cpu::run(ops::PReceive{p_codec.quantize.message, view_of(p_copy), format}, scratch);
        cpu::run(
            ops::QDual{
                view_of(p_copy), view_of(z), view_of(q), view_of(u), relu, 0.1f, 0.1f, q_codec.quantize, {sums, 1, 4}},
            scratch);
        cpu::run(ops::QReceive{q_codec.quantize.message, view_of(p), view_of(q_copy), view_of(u_copy), format, 0.1f},
                 scratch);
        equal = equal && same_bits(p, p_copy) && same_bits(q, q_copy) && same_bits(u, u_copy);
      }
      INFO("bits " << bits << " range " << static_cast<int>(range));
      CHECK(equal);
      bool finite = true;
      for (const float x : u) finite = finite && std::isfinite(x);
      CHECK(finite);
    }
  }
}

TEST_CASE("no codec op writes outside its views") {
  OpBench bench;
  const MatView<std::uint32_t> iteration = bench.make<std::uint32_t>(1, 1);
  for (const Shape& s : shapes()) {
    for (const int bits : {1, 2, 4, 8, 16, 32}) {
      for (const Range range : {Range::tensor, Range::block}) {
        const std::int64_t n = s.v * s.m;
        const WireFormat format = wire(bits, bits < 32 ? Coding::difference : Coding::value, range, 16);
        Quantize quantize;
        quantize.format = format;
        quantize.rounding = Rounding::stochastic;
        quantize.scales = bench.zeros(1, format.scale_floats(n));
        quantize.message = bench.make<std::byte>(1, format.message_bytes(n));
        quantize.iteration = iteration;
        const Mat x = bench.normal(s.v, s.m), p = bench.zeros(s.v, s.m), copy = bench.zeros(s.v, s.m);
        bench.run(ops::PTarget{x, p, quantize});
        bench.run(ops::PReceive{quantize.message, copy, format});
        CHECK(std::memcmp(p.data, copy.data, static_cast<std::size_t>(n) * 4) == 0);
        const Mat u = bench.zeros(s.v, s.m), u_copy = bench.zeros(s.v, s.m), q = bench.zeros(s.v, s.m),
                  q_copy = bench.zeros(s.v, s.m);
        const MatView<double> sums = bench.make<double>(1, 4);
        bench.run(ops::QDual{p, x, q, u, {}, 0.1f, 0.1f, quantize, sums});
        bench.run(ops::QReceive{quantize.message, p, q_copy, u_copy, format, 0.1f});
        CHECK(std::memcmp(u.data, u_copy.data, static_cast<std::size_t>(n) * 4) == 0);
      }
    }
  }
}
