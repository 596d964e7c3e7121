// blas.hpp without a library, for machines that have none (tests/gpu): loops, on the machine's threads. A tenth of a
// library's speed.
#include <algorithm>
#include <cmath>

#include "host/core/error.hpp"
#include "host/core/parallel.hpp"
#include "host/core/threads.hpp"
#include "host/cpu/blas.hpp"

namespace gamlp {
namespace {

// body(first, last) over parts of [0, n) at once. Results do not depend on the parts.
template <class Body>
void in_parts(std::int64_t n, double work, const Body& body) {
  const int threads = work < 1e7 ? 1 : hardware_threads();
  parallel_slices(threads, n, std::max<std::int64_t>(1, (n + threads - 1) / threads), body);
}

Matrix transposed(ConstMat x) {
  Matrix out(x.cols, x.rows);
  for (std::int64_t i = 0; i < x.rows; ++i) {
    for (std::int64_t j = 0; j < x.cols; ++j) out(j, i) = x.row(i)[j];
  }
  return out;
}

double dot(const float* a, const float* b, std::int64_t n) {
  double sum = 0.0;
  for (std::int64_t i = 0; i < n; ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return sum;
}

}  // namespace

void set_blas_threads(int) {}
void choose_blas_kernels(char**) {}
std::string blas_description() { return "plain loops"; }

void gemm(ConstMat a, bool ta, ConstMat b, bool tb, Mat c, float alpha, float beta) {
  const std::int64_t m = ta ? a.cols : a.rows, k = ta ? a.rows : a.cols, n = tb ? b.rows : b.cols;
  expects((tb ? b.cols : b.rows) == k && c.rows == m && c.cols == n, "gemm: shapes agree");
  Matrix ta_copy, tb_copy;
  if (ta) ta_copy = transposed(a), a = ta_copy.view();
  if (tb) tb_copy = transposed(b), b = tb_copy.view();
  in_parts(m, 2.0 * static_cast<double>(m * n) * static_cast<double>(k), [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t i = first; i < last; ++i) {
      float* row = c.row(i);
      for (std::int64_t j = 0; j < n; ++j) row[j] = beta == 0.0f ? 0.0f : beta * row[j];
      for (std::int64_t p = 0; p < k; ++p) {
        const float x = alpha * a.row(i)[p];
        const float* y = b.row(p);
        for (std::int64_t j = 0; j < n; ++j) row[j] += x * y[j];
      }
    }
  });
}

void gram(ConstMat x, Mat out) { gemm(x, true, x, false, out); }
void outer_gram(ConstMat x, Mat out) { gemm(x, false, x, true, out); }

bool cholesky(Mat a) {
  for (std::int64_t j = 0; j < a.rows; ++j) {
    const double diagonal = static_cast<double>(a.row(j)[j]) - dot(a.row(j), a.row(j), j);
    if (!(diagonal > 0.0)) return false;
    const double root = std::sqrt(diagonal);
    a.row(j)[j] = static_cast<float>(root);
    const std::int64_t below = a.rows - j - 1;
    in_parts(below, static_cast<double>(below * j), [&](std::int64_t first, std::int64_t last) {
      for (std::int64_t i = j + 1 + first; i < j + 1 + last; ++i) {
        const double rest = static_cast<double>(a.row(i)[j]) - dot(a.row(i), a.row(j), j);
        a.row(i)[j] = static_cast<float>(rest / root);
      }
    });
  }
  return true;
}

void cholesky_solve_rows(ConstMat factor, Mat x) {
  const std::int64_t n = factor.rows;
  const double work = static_cast<double>(x.rows) * static_cast<double>(n * n);
  in_parts(x.rows, work, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t r = first; r < last; ++r) {
      float* row = x.row(r);
      for (std::int64_t i = 0; i < n; ++i) {
        row[i] = static_cast<float>((static_cast<double>(row[i]) - dot(factor.row(i), row, i)) /
                                    static_cast<double>(factor.row(i)[i]));
      }
      for (std::int64_t i = n - 1; i >= 0; --i) {
        double sum = static_cast<double>(row[i]);
        for (std::int64_t j = i + 1; j < n; ++j) {
          sum -= static_cast<double>(factor.row(j)[i]) * static_cast<double>(row[j]);
        }
        row[i] = static_cast<float>(sum / static_cast<double>(factor.row(i)[i]));
      }
    }
  });
}

void cholesky_solve_columns(ConstMat factor, Mat x) {
  Matrix rows = transposed(x);
  cholesky_solve_rows(factor, rows.view());
  const Matrix back = transposed(rows.view());
  std::copy_n(back.data(), back.size(), x.data);
}

bool cholesky_inverse(Mat a) {
  Matrix inverse(a.rows, a.cols);
  for (std::int64_t i = 0; i < a.rows; ++i) {
    if (!(a.row(i)[i] != 0.0f)) return false;
    inverse(i, i) = 1.0f;
  }
  cholesky_solve_rows(a, inverse.view());
  for (std::int64_t i = 0; i < a.rows; ++i) {
    for (std::int64_t j = 0; j < a.cols; ++j) a.row(i)[j] = i >= j ? inverse(i, j) : inverse(j, i);
  }
  return true;
}

// Gram–Schmidt, twice.
void reduced_rq(Mat x, Mat r) {
  expects(x.rows <= x.cols && r.rows == x.rows && r.cols == x.rows, "reduced_rq: shapes");
  std::fill_n(r.data, r.size(), 0.0f);
  for (std::int64_t i = 0; i < x.rows; ++i) {
    for (int pass = 0; pass < 2; ++pass) {
      for (std::int64_t j = 0; j < i; ++j) {
        const auto along = static_cast<float>(dot(x.row(i), x.row(j), x.cols));
        r.row(i)[j] += along;
        for (std::int64_t k = 0; k < x.cols; ++k) x.row(i)[k] -= along * x.row(j)[k];
      }
    }
    const double length = std::sqrt(dot(x.row(i), x.row(i), x.cols));
    r.row(i)[i] = static_cast<float>(length);
    const float scale = length > 0.0 ? static_cast<float>(1.0 / length) : 0.0f;
    for (std::int64_t k = 0; k < x.cols; ++k) x.row(i)[k] *= scale;
  }
}

}  // namespace gamlp
