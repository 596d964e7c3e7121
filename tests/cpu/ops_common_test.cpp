// Copies, the forward step, sums and means.
#include <cstring>

#include "tests/cpu/bench.hpp"

using namespace gamlp;
using namespace gamlp::test;
using reference::Dense;

TEST_CASE("uploads, copies, zeros and downloads move bytes") {
  OpBench bench;
  for (const std::int64_t size : {1, 3, 64, 1000}) {
    std::vector<std::byte> host(static_cast<std::size_t>(size)), back(host.size());
    for (std::byte& b : host) b = static_cast<std::byte>(bench.random.next());
    const Bytes a = bench.make<std::byte>(1, size), b = bench.make<std::byte>(1, size);
    bench.run(ops::Upload{host.data(), a});
    bench.run(ops::Copy{a, b});
    bench.run(ops::Download{b, back.data()});
    CHECK(back == host);
    bench.run(ops::Zero{b});
    bench.run(ops::Download{b, back.data()});
    CHECK(std::all_of(back.begin(), back.end(), [](std::byte x) { return x == std::byte{0}; }));
  }
}

TEST_CASE("tick counts") {
  OpBench bench;
  const MatView<std::uint32_t> count = bench.make<std::uint32_t>(1, 1);
  *count.data = 0xFFFFFFFEu;
  bench.run(ops::Tick{count});
  CHECK(*count.data == 0xFFFFFFFFu);
  bench.run(ops::Tick{count});
  CHECK(*count.data == 0u);
}

TEST_CASE("forward adds the bias and applies the activation") {
  OpBench bench;
  for (const Shape& s : shapes()) {
    for (const ActivationRule& f : activations()) {
      const Mat b = bench.normal(1, s.m), z = bench.normal(s.v, s.m), y = bench.zeros(s.v, s.m);
      Dense expected = dense(z);
      for (std::int64_t i = 0; i < s.v; ++i) {
        for (std::int64_t j = 0; j < s.m; ++j) expected(i, j) += static_cast<double>(b.data[j]);
      }
      const Mat last = bench.zeros(s.v, s.m);
      std::copy_n(z.data, z.size(), last.data);
      const Mat in_place = bench.zeros(s.v, s.m);
      std::copy_n(z.data, z.size(), in_place.data);
      bench.run(ops::Forward{b, in_place, {}, f, true});
      bench.run(ops::Forward{b, z, y, f});
      CHECK(std::memcmp(y.data, in_place.data, static_cast<std::size_t>(y.size()) * 4) == 0);
      bench.run(ops::Forward{b, last, {}, f});
      check_close(z, expected, 0.0, 2 * kEps, "z");
      CHECK(std::memcmp(z.data, last.data, static_cast<std::size_t>(z.size()) * 4) == 0);
      // fast_tanh is off by 3e-7.
      check_close(y, reference::applied(reference_of(f), dense(z)), f.kind == Activation::tanh ? 3e-7 / kEps : 0.0,
                  2 * kEps, "f(z)");
    }
  }
}

TEST_CASE("dot, distance and the column mean are accurate sums") {
  OpBench bench;
  for (const Shape& s : shapes()) {
    const Mat a = bench.normal(s.v, s.n), b = bench.normal(s.v, s.n);
    const Scalar out = bench.scalar(NAN);
    bench.run(ops::Dot{a, b, out});
    check_scalar(out, reference::inner(dense(a), dense(b)),
                 reference::inner(magnitudes(dense(a)), magnitudes(dense(b))), sum_eps(1024), "dot");
    bench.run(ops::Dot{a, a, out});
    check_scalar(out, reference::norm2(dense(a)), reference::norm2(dense(a)), sum_eps(1024), "norm");

    Dense apart = dense(a);
    for (std::size_t i = 0; i < apart.values.size(); ++i) apart.values[i] -= dense(b).values[i];
    bench.run(ops::Distance2{a, b, out});
    check_scalar(out, reference::norm2(apart), reference::norm2(apart), sum_eps(1024), "distance");
    const Mat mean = bench.normal(1, s.n);
    bench.run(ops::ColumnMean{a, mean});
    const std::vector<double> expected = reference::column_means(dense(a));
    const std::vector<double> scale = reference::column_means(magnitudes(dense(a)));
    Dense e(1, s.n), sc(1, s.n);
    e.values = expected, sc.values = scale;
    check_close(mean, e, sc, sum_eps(128), "mean");
  }
}

TEST_CASE("sums do not depend on earlier ops of the same device") {
  OpBench bench;
  const Mat wide = bench.normal(40, 300), narrow = bench.normal(200, 3), first = bench.zeros(1, 3),
            again = bench.zeros(1, 3);
  bench.run(ops::ColumnMean{narrow, first});
  bench.run(ops::ColumnMean{wide, bench.zeros(1, 300)});
  bench.run(ops::ColumnMean{narrow, again});
  CHECK(std::memcmp(first.data, again.data, 12) == 0);
}
