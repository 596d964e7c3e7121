// The BLAS and LAPACK wrappers against triple loops.
#include "host/cpu/blas.hpp"

#include "tests/cpu/bench.hpp"

using namespace gamlp;
using namespace gamlp::test;
using reference::Dense;

namespace {

// A symmetric positive definite matrix with a condition number of about 100.
Mat positive_definite(OpBench& bench, std::int64_t n) {
  const Mat x = bench.normal(2 * n + 3, n);
  Mat a = bench.zeros(n, n);
  const Dense g = reference::product(reference::transposed(dense(x)), dense(x));
  for (std::int64_t i = 0; i < n * n; ++i) a.data[i] = static_cast<float>(g.values[static_cast<std::size_t>(i)]);
  for (std::int64_t i = 0; i < n; ++i) {
    a.row(i)[i] += static_cast<float>(n) * 0.1f;
    for (std::int64_t j = 0; j < i; ++j) a.row(j)[i] = a.row(i)[j];
  }
  return a;
}

// Backward error of float32 Cholesky: |A − LLᵀ| <= (n + 1) eps |L||L|ᵀ <= (n + 1) eps max diag(A).
double residual_bound(const Dense& a) { return 2.0 * kEps * static_cast<double>(a.rows + 1) * reference::largest(a); }

}  // namespace

TEST_CASE("gemm is the product in all four transposes, with alpha and beta") {
  OpBench bench;
  for (const Shape& s : shapes()) {
    for (const bool ta : {false, true}) {
      for (const bool tb : {false, true}) {
        for (const auto& [alpha, beta] : {std::pair{1.0f, 0.0f}, std::pair{-0.3f, 0.7f}, std::pair{2.0f, 1.0f}}) {
          const Mat a = ta ? bench.normal(s.n, s.v) : bench.normal(s.v, s.n);
          const Mat b = tb ? bench.normal(s.m, s.n) : bench.normal(s.n, s.m);
          const Mat c = bench.normal(s.v, s.m);
          if (beta == 0.0f) std::fill_n(c.data, c.size(), NAN);  // beta 0 must not read c
          const Dense da = ta ? reference::transposed(dense(a)) : dense(a);
          const Dense db = tb ? reference::transposed(dense(b)) : dense(b);
          Dense expected = reference::product(da, db), scale = reference::product(magnitudes(da), magnitudes(db));
          for (std::size_t i = 0; i < expected.values.size(); ++i) {
            const double old = beta == 0.0f ? 0.0 : static_cast<double>(beta) * static_cast<double>(c.data[i]);
            expected.values[i] = static_cast<double>(alpha) * expected.values[i] + old;
            scale.values[i] = std::abs(static_cast<double>(alpha)) * scale.values[i] + std::abs(old);
          }
          bench.run(ops::Gemm{a, b, c, ta, tb, alpha, beta});
          check_close(c, expected, scale, sum_eps(s.n), "product");
        }
      }
    }
  }
}

TEST_CASE("gemm refuses shapes that do not fit") {
  OpBench bench;
  CHECK_THROWS_AS(gemm(bench.zeros(2, 3), false, bench.zeros(4, 2), false, bench.zeros(2, 2)), std::logic_error);
  CHECK_THROWS_AS(gemm(bench.zeros(2, 3), false, bench.zeros(3, 2), false, bench.zeros(2, 3)), std::logic_error);
}

TEST_CASE("gram fills both triangles, narrow and wide") {
  OpBench bench;
  for (const auto& [v, n] :
       {std::pair{1, 1}, std::pair{5, 3}, std::pair{40, 255}, std::pair{60, 256}, std::pair{3, 289}}) {
    const Mat x = bench.normal(v, n), out = bench.zeros(n, n);
    bench.run(ops::Gram{x, out});
    const Dense t = reference::transposed(dense(x));
    check_close(out, reference::product(t, dense(x)), reference::product(magnitudes(t), magnitudes(dense(x))),
                sum_eps(v), "gram");
    bool symmetric = true;
    for (std::int64_t i = 0; i < n; ++i) {
      for (std::int64_t j = 0; j < i; ++j) symmetric = symmetric && out.row(i)[j] == Approx(out.row(j)[i]).margin(1e-4);
    }
    CHECK(symmetric);
  }
}

TEST_CASE("cholesky factors, solves and inverts") {
  OpBench bench;
  for (const std::int64_t n : {1, 2, 7, 33, 130}) {
    const Mat a = positive_definite(bench, n);
    const Dense original = dense(a);
    for (std::int64_t i = 0; i < n; ++i) {  // the upper triangle must not be read
      for (std::int64_t j = i + 1; j < n; ++j) a.row(i)[j] = NAN;
    }
    REQUIRE(cholesky(a));
    Dense l(n, n);
    for (std::int64_t i = 0; i < n; ++i) {
      for (std::int64_t j = 0; j <= i; ++j) l(i, j) = static_cast<double>(a.row(i)[j]);
    }
    const Dense back = reference::product(l, reference::transposed(l));
    CHECK(reference::largest(reference::sum(back, original, -1.0)) <= residual_bound(original));

    // A x = b: residual of a backward stable solve, |b − A x| <= c n eps |A||x|.
    const Mat rows = bench.normal(5, n), columns = bench.normal(n, 4);
    const Dense b_rows = dense(rows), b_columns = dense(columns);
    cholesky_solve_rows(a, rows);
    cholesky_solve_columns(a, columns);
    const auto bound = [&](const Dense& x) {
      return 4.0 * kEps * static_cast<double>(n + 1) * static_cast<double>(n) * reference::largest(original) *
             reference::largest(x);
    };
    CHECK(reference::largest(reference::sum(reference::product(dense(rows), original), b_rows, -1.0)) <=
          bound(dense(rows)));
    CHECK(reference::largest(reference::sum(reference::product(original, dense(columns)), b_columns, -1.0)) <=
          bound(dense(columns)));

    REQUIRE(cholesky_inverse(a));
    Dense identity(n, n);
    for (std::int64_t i = 0; i < n; ++i) identity(i, i) = 1.0;
    CHECK(reference::largest(reference::sum(reference::product(dense(a), original), identity, -1.0)) <=
          bound(dense(a)));
    bench.check_guards();
  }
}

TEST_CASE("cholesky refuses what is not positive definite") {
  OpBench bench;
  const Mat a = bench.zeros(2, 2);
  a.data[0] = 1.0f, a.data[2] = 2.0f, a.data[3] = 1.0f;
  CHECK_FALSE(cholesky(a));
  const Mat zero = bench.zeros(3, 3);
  CHECK_FALSE(cholesky(zero));
  const Mat nan = positive_definite(bench, 4);
  nan.row(2)[1] = NAN;
  CHECK_FALSE(cholesky(nan));
  CHECK(cholesky(Mat{}));  // nothing to factor
}

namespace {

// Checks that x became orthonormal rows, and that r, lower triangular, times them gives the original back.
void check_rq(const Dense& original, Mat x, Mat r) {
  Dense identity(x.rows, x.rows);
  for (std::int64_t i = 0; i < x.rows; ++i) identity(i, i) = 1.0;
  const double eps = 8.0 * kEps * static_cast<double>(x.rows + 1);
  CHECK(reference::largest(
            reference::sum(reference::product(dense(x), reference::transposed(dense(x))), identity, -1.0)) <= eps);
  const Dense back = reference::product(dense(r), dense(x));
  CHECK(reference::largest(reference::sum(back, original, -1.0)) <=
        eps * std::sqrt(static_cast<double>(x.cols)) * reference::largest(original));
  bool triangular = true;
  for (std::int64_t i = 0; i < x.rows; ++i) {
    for (std::int64_t j = i + 1; j < x.rows; ++j) triangular = triangular && r.row(i)[j] == 0.0f;
  }
  CHECK(triangular);
}

}  // namespace

TEST_CASE("reduced_rq gives orthonormal rows and the input back") {
  OpBench bench;
  for (const auto& [v, n] : {std::pair{1, 1}, std::pair{1, 9}, std::pair{5, 5}, std::pair{12, 40}, std::pair{70, 200},
                             std::pair{30, 6500}}) {
    const Mat x = bench.normal(v, n), r = bench.normal(v, v);
    const Dense original = dense(x);
    reduced_rq(x, r);
    bench.check_guards();
    check_rq(original, x, r);
  }
  CHECK_THROWS_AS(reduced_rq(bench.zeros(3, 2), bench.zeros(3, 3)), std::logic_error);
}

TEST_CASE("reduced_rq gives orthonormal rows of rows that are nearly or exactly dependent") {
  for (const float apart : {1e-3f, 1e-5f, 3e-7f, 0.0f}) {
    INFO("half of the rows are " << apart << " from sums of the others");
    OpBench bench;
    const Mat x = bench.normal(40, 900), r = bench.normal(40, 40);
    for (std::int64_t i = 0; i < 20; ++i) {
      for (std::int64_t j = 0; j < x.cols; ++j) {
        x.row(20 + i)[j] = x.row(i)[j] + x.row((i + 1) % 20)[j] + apart * x.row(20 + i)[j];
      }
    }
    const Dense original = dense(x);
    reduced_rq(x, r);
    check_rq(original, x, r);
  }
  OpBench bench;
  const Mat x = bench.normal(60, 3000), r = bench.normal(60, 60);
  for (std::int64_t i = 30; i < 60; ++i) std::copy_n(x.row(i - 30), x.cols, x.row(i));
  const Dense original = dense(x);
  reduced_rq(x, r);
  check_rq(original, x, r);
}

TEST_CASE("OpenBLAS gets the kernels of a processor that it does not know") {
  CHECK(better_blas_kernels("Prescott", true, true) == "SkylakeX");
  CHECK(better_blas_kernels("Prescott", true, false) == "Haswell");
  CHECK(better_blas_kernels("Prescott", false, false).empty());
  CHECK(better_blas_kernels("Zen", true, true).empty());
}

TEST_CASE("reduced_rq has the same bits with any number of threads") {
  OpBench bench;
  const Mat x = bench.normal(140, 5000);
  std::vector<float> before(x.data, x.data + x.size()), q, factor;
  for (const int threads : {1, 2, 3}) {
    std::copy(before.begin(), before.end(), x.data);
    const Mat r = bench.normal(140, 140);
    set_blas_threads(threads);
    reduced_rq(x, r);
    set_blas_threads(1);
    if (threads == 1) q.assign(x.data, x.data + x.size()), factor.assign(r.data, r.data + r.size());
    CHECK(std::equal(q.begin(), q.end(), x.data));
    CHECK(std::equal(factor.begin(), factor.end(), r.data));
  }
}
