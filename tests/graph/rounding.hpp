// How far augmented features may be apart when their sums are made in another order.
#pragma once

#include <algorithm>
#include <cmath>
#include <span>

#include "host/graph/augment.hpp"

namespace gamlp::test {

// The largest |x − y| as a share of what rounding allows, y the CPU's augmentation of the same nodes.
inline double worst_share(const Matrix& x, const Csr& propagation, const Dataset& dataset,
                          std::span<const std::int32_t> nodes, std::int64_t hops) {
  AugmentOptions options;
  options.hops = hops;
  const Matrix y = augment(propagation, dataset, nodes, options);
  // The operator's values are positive: magnitudes go through it as values do.
  Dataset magnitudes = dataset;
  for (float& value : magnitudes.features_dense.view().flat()) value = std::abs(value);
  for (float& value : magnitudes.features_sparse.values) value = std::abs(value);
  const Matrix size = augment(propagation, magnitudes, nodes, options);
  std::int64_t longest = 0;
  for (std::size_t i = 0; i + 1 < propagation.indptr.size(); ++i) {
    longest = std::max(longest, propagation.indptr[i + 1] - propagation.indptr[i]);
  }
  const double unit = 2.0 * static_cast<double>(hops * (longest + 1)) * 0x1p-24;
  if (x.rows() != y.rows() || x.cols() != y.cols()) return INFINITY;
  double worst = 0;
  for (std::int64_t i = 0; i < x.size(); ++i) {
    const double allowed = unit * static_cast<double>(size.data()[i]);
    const double apart = std::abs(static_cast<double>(x.data()[i]) - static_cast<double>(y.data()[i]));
    if (apart != 0) worst = std::max(worst, allowed > 0 ? apart / allowed : INFINITY);
    if (apart != apart) return INFINITY;
  }
  return worst;
}

}  // namespace gamlp::test
