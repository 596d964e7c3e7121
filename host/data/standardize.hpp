// Brings the columns of features to one scale. The columns that people have (an age, an income, a time in seconds
// beside ratios) differ by powers of ten, and a network then trains on the largest alone.
//
// Standardising comes after binarising and row-normalising, and before propagation: hop k is Ã^k of standardised
// features. With the symmetric operator these hops need not have mean 0 and deviation 1. Shift and factor are those of
// the training graph, wherever the model is applied later.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "host/config/dataset.hpp"
#include "host/data/dataset.hpp"

namespace gamlp {

// What training took from its data. Every later use of the model applies it again.
struct Preparation {
  std::vector<std::int32_t> class_ids;  // the file's id of every class; empty: 0, 1, …
  // A feature x of column j becomes (x − shift[j])·factor[j]. Where both are empty, x stays. Where only shift is empty,
  // nothing is subtracted.
  std::vector<double> shift, factor;
};

// The scale of a column is the root mean square of its values that are not 0. A column of zeros has none.
struct ScaleSummary {
  std::int64_t columns = 0;          // that have a scale
  double smallest = 0, largest = 0;  // scale
  // Columns, from 0: at most three at each end, whose scales are within a factor of 10 of the most extreme one.
  std::vector<std::int64_t> smallest_at, largest_at;

  double spread() const { return columns > 0 ? largest / smallest : 1; }
};
ScaleSummary summarize_scales(const Dataset& dataset);

// Returns a text like "0.29 (column 3) to 1.5e+09 (column 2)".
std::string scale_text(const ScaleSummary& scales);

// Where scales differ by more than this factor, training fails.
inline constexpr double wide_spread = 1000;

// Returns `columns` where the scales of the columns differ by more than wide_spread, `scale` where all scales are above
// it or all are below its inverse, and `none` otherwise.
Standardize choose_standardize(const ScaleSummary& scales);

// Measures the shift and factor of `how` over the rows of `nodes`.
//   columns: by mean and deviation. Of sparse features no mean is subtracted, so that they stay sparse, and the
//            deviation is that from 0. A column that does not vary over `nodes` is measured over all rows, because a
//            word that no training node has may reach one by propagation. A column that varies nowhere becomes 0.
//   scale:   one factor for all columns, the inverse root mean square of the values that are not 0.
void measure_features(const Dataset& dataset, std::span<const std::int32_t> nodes, Standardize how,
                      Preparation& preparation);

// Applies shift and factor. Throws a DataError where the number of columns differs, or where a value overflows.
void standardize(Dataset& dataset, const Preparation& preparation);

}  // namespace gamlp
