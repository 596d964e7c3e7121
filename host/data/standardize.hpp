// Columns of features on one scale. Columns as people have them (an age, an income, a time in seconds beside ratios)
// differ by powers of ten, and a network trains on the largest alone.
//
// Standardising comes after binarising and row-normalising, and before propagation: hop k is Ã^k of standardised
// features. With the symmetric operator these hops need not have mean 0 and deviation 1. The numbers are those of the
// training graph, wherever the model is applied later.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "host/config/dataset.hpp"
#include "host/data/dataset.hpp"

namespace gamlp {

// What training took from its data, and every later use of its model applies again.
struct Preparation {
  std::vector<std::int32_t> class_ids;  // the file's id of every class; empty: 0, 1, …
  // A feature x of column j becomes (x − shift[j])·factor[j]; both empty: x stays. shift alone empty: nothing is
  // subtracted.
  std::vector<double> shift, factor;
};

// A column's scale is the root mean square of its values that are not 0. Columns of zeros have none.
struct ScaleSummary {
  std::int64_t columns = 0;                           // that have a scale
  double smallest = 0, largest = 0;                   // scale
  std::vector<std::int64_t> smallest_at, largest_at;  // columns, from 0: the three with the most extreme scales

  double spread() const { return columns > 0 ? largest / smallest : 1; }
};
ScaleSummary summarize_scales(const Dataset& dataset);

// "0.29 (column 3) to 1.5e+09 (column 2)"
std::string scale_text(const ScaleSummary& scales);

// From here on scales differ so much that training fails.
inline constexpr double wide_spread = 1000;

// columns: where the scales of the columns differ by more than wide_spread; scale: where all are above it or below its
// inverse; otherwise none.
Standardize choose_standardize(const ScaleSummary& scales);

// The shift and factor of `how`, over the rows of `nodes`.
//   columns: mean and deviation; of sparse features no mean is subtracted, so that they stay sparse, and the
//            deviation is that from 0. A column that does not vary over `nodes` takes all rows (a word that no training
//            node has may reach one by propagation), and becomes 0 where it varies nowhere.
//   scale:   one factor for all, the inverse root mean square of the values that are not 0.
void measure_features(const Dataset& dataset, std::span<const std::int32_t> nodes, Standardize how,
                      Preparation& preparation);

// Applies them. DataError where the columns are not as many, or where a value overflows.
void standardize(Dataset& dataset, const Preparation& preparation);

}  // namespace gamlp
