// Plain double-precision matrices for the reference: row-major vectors, triple loops, nothing shared with host/.
#pragma once

#include <cmath>
#include <cstdint>
#include <stdexcept>
#include <utility>
#include <vector>

namespace reference {

using Index = std::int64_t;

struct Dense {
  Index rows = 0, cols = 0;
  std::vector<double> values;

  Dense() = default;
  Dense(Index r, Index c, double value = 0.0) : rows(r), cols(c), values(static_cast<std::size_t>(r * c), value) {}
  double& operator()(Index i, Index j) { return values[static_cast<std::size_t>(i * cols + j)]; }
  double operator()(Index i, Index j) const { return values[static_cast<std::size_t>(i * cols + j)]; }
};

inline Dense transposed(const Dense& a) {
  Dense out(a.cols, a.rows);
  for (Index i = 0; i < a.rows; ++i) {
    for (Index j = 0; j < a.cols; ++j) out(j, i) = a(i, j);
  }
  return out;
}

inline Dense product(const Dense& a, const Dense& b) {
  if (a.cols != b.rows) throw std::logic_error("reference: shapes of a product disagree");
  Dense out(a.rows, b.cols);
  for (Index i = 0; i < a.rows; ++i) {
    for (Index k = 0; k < a.cols; ++k) {
      for (Index j = 0; j < b.cols; ++j) out(i, j) += a(i, k) * b(k, j);
    }
  }
  return out;
}

// a + factor · b
inline Dense sum(const Dense& a, const Dense& b, double factor = 1.0) {
  if (a.rows != b.rows || a.cols != b.cols) throw std::logic_error("reference: shapes of a sum disagree");
  Dense out = a;
  for (std::size_t i = 0; i < out.values.size(); ++i) out.values[i] += factor * b.values[i];
  return out;
}

inline double inner(const Dense& a, const Dense& b) {
  double s = 0.0;
  for (std::size_t i = 0; i < a.values.size(); ++i) s += a.values[i] * b.values[i];
  return s;
}

inline double norm2(const Dense& a) { return inner(a, a); }

inline double largest(const Dense& a) {
  double m = 0.0;
  for (const double x : a.values) m = std::max(m, std::abs(x));
  return m;
}

// The x of a x = b by Gaussian elimination with partial pivoting.
inline Dense solved(Dense a, Dense b) {
  for (Index k = 0; k < a.rows; ++k) {
    Index pivot = k;
    for (Index i = k + 1; i < a.rows; ++i) {
      if (std::abs(a(i, k)) > std::abs(a(pivot, k))) pivot = i;
    }
    if (a(pivot, k) == 0.0) throw std::logic_error("reference: singular system");
    for (Index j = 0; j < a.cols; ++j) std::swap(a(k, j), a(pivot, j));
    for (Index j = 0; j < b.cols; ++j) std::swap(b(k, j), b(pivot, j));
    for (Index i = k + 1; i < a.rows; ++i) {
      const double f = a(i, k) / a(k, k);
      if (f == 0.0) continue;
      for (Index j = k; j < a.cols; ++j) a(i, j) -= f * a(k, j);
      for (Index j = 0; j < b.cols; ++j) b(i, j) -= f * b(k, j);
    }
  }
  for (Index k = a.rows - 1; k >= 0; --k) {
    for (Index j = 0; j < b.cols; ++j) {
      for (Index i = k + 1; i < a.rows; ++i) b(k, j) -= a(k, i) * b(i, j);
      b(k, j) /= a(k, k);
    }
  }
  return b;
}

inline std::vector<double> column_means(const Dense& a) {
  std::vector<double> means(static_cast<std::size_t>(a.cols), 0.0);
  for (Index i = 0; i < a.rows; ++i) {
    for (Index j = 0; j < a.cols; ++j) means[static_cast<std::size_t>(j)] += a(i, j);
  }
  for (double& m : means) m /= static_cast<double>(a.rows);
  return means;
}

}  // namespace reference
