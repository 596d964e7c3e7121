#include "host/data/standardize.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numeric>
#include <utility>

#include "host/core/error.hpp"
#include "host/data/check.hpp"

namespace gamlp {
namespace {

constexpr std::size_t kNamed = 3;       // columns at each end
constexpr double kNoVariation = 1e-12;  // deviation of a column, relative to its mean, that is rounding

// visit(column, value) for the stored values of row i: all of them where they are dense.
template <class Visit>
void visit_row(const Dataset& dataset, std::int64_t i, const Visit& visit) {
  if (dataset.sparse_features) {
    const Csr& features = dataset.features_sparse;
    for (std::int64_t e = features.indptr[i]; e < features.indptr[i + 1]; ++e) {
      visit(features.indices[e], static_cast<double>(features.value(e)));
    }
    return;
  }
  const float* row = dataset.features_dense.row(i);
  for (std::int64_t c = 0; c < dataset.features_dense.cols(); ++c) visit(c, static_cast<double>(row[c]));
}

// Mean (0 for sparse features) and deviation from it of every column.
struct Moments {
  std::vector<double> mean, deviation;
};

Moments moments(const Dataset& dataset, std::span<const std::int32_t> nodes) {
  const auto columns = static_cast<std::size_t>(dataset.features());
  const double count = std::max<double>(1, static_cast<double>(nodes.size()));
  Moments m{std::vector<double>(columns, 0.0), std::vector<double>(columns, 0.0)};
  if (!dataset.sparse_features) {
    for (const std::int32_t i : nodes) visit_row(dataset, i, [&](std::int64_t c, double x) { m.mean[c] += x; });
    for (double& mean : m.mean) mean /= count;
  }
  for (const std::int32_t i : nodes) {
    visit_row(dataset, i, [&](std::int64_t c, double x) { m.deviation[c] += (x - m.mean[c]) * (x - m.mean[c]); });
  }
  for (std::size_t c = 0; c < columns; ++c) {
    m.deviation[c] = std::sqrt(m.deviation[c] / count);
    if (m.deviation[c] <= kNoVariation * std::fabs(m.mean[c])) m.deviation[c] = 0.0;
  }
  return m;
}

std::vector<std::int32_t> all_nodes(const Dataset& dataset) {
  std::vector<std::int32_t> all(static_cast<std::size_t>(dataset.nodes()));
  std::iota(all.begin(), all.end(), 0);
  return all;
}

void measure_columns(const Dataset& dataset, std::span<const std::int32_t> nodes, Preparation& preparation) {
  Moments m = moments(dataset, nodes);
  if (std::find(m.deviation.begin(), m.deviation.end(), 0.0) != m.deviation.end()) {
    const Moments everywhere = moments(dataset, all_nodes(dataset));
    for (std::size_t c = 0; c < m.mean.size(); ++c) {
      if (m.deviation[c] != 0.0) continue;
      m.mean[c] = everywhere.mean[c];
      m.deviation[c] = everywhere.deviation[c];
    }
  }
  preparation.factor = std::move(m.deviation);
  for (double& factor : preparation.factor) factor = factor > 0.0 ? 1.0 / factor : 0.0;
  if (!dataset.sparse_features) preparation.shift = std::move(m.mean);
}

// Root mean square of the values that are not 0; 0 where there are none.
double magnitude(const Dataset& dataset, std::span<const std::int32_t> nodes) {
  double sum = 0.0, count = 0.0;
  for (const std::int32_t i : nodes) {
    visit_row(dataset, i, [&](std::int64_t, double x) {
      sum += x * x;
      count += x != 0.0;
    });
  }
  return count > 0.0 ? std::sqrt(sum / count) : 0.0;
}

void make_dense(Dataset& dataset) {
  Matrix dense(dataset.nodes(), dataset.features());
  for (std::int64_t i = 0; i < dense.rows(); ++i) {
    visit_row(dataset, i, [&](std::int64_t c, double x) { dense(i, c) = static_cast<float>(x); });
  }
  dataset.features_dense = std::move(dense);
  dataset.features_sparse = {};
  dataset.sparse_features = false;
}

std::string short_text(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3g", value);
  return text;
}

std::string columns_text(const std::vector<std::int64_t>& columns) {
  std::string out = columns.size() == 1 ? " (column " : " (columns ";
  for (std::size_t i = 0; i < columns.size(); ++i) out += (i > 0 ? ", " : "") + std::to_string(columns[i]);
  return out + ")";
}

}  // namespace

ScaleSummary summarize_scales(const Dataset& dataset) {
  const auto columns = static_cast<std::size_t>(dataset.features());
  std::vector<double> scale(columns, 0.0), count(columns, 0.0);
  for (std::int64_t i = 0; i < dataset.nodes(); ++i) {
    visit_row(dataset, i, [&](std::int64_t c, double x) {
      scale[c] += x * x;
      count[c] += x != 0.0;
    });
  }
  std::vector<std::int64_t> order;
  for (std::size_t c = 0; c < columns; ++c) {
    if (count[c] == 0.0) continue;
    scale[c] = std::sqrt(scale[c] / count[c]);
    order.push_back(static_cast<std::int64_t>(c));
  }
  ScaleSummary summary;
  summary.columns = static_cast<std::int64_t>(order.size());
  if (order.empty()) return summary;
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return scale[a] < scale[b]; });
  summary.smallest = scale[order.front()];
  summary.largest = scale[order.back()];
  // Those that are as extreme as the most extreme one, within a factor of 10.
  for (std::size_t k = 0; k < std::min(kNamed, order.size()); ++k) {
    const std::int64_t low = order[k], high = order[order.size() - 1 - k];
    if (scale[low] <= 10 * summary.smallest) summary.smallest_at.push_back(low);
    if (scale[high] >= summary.largest / 10) summary.largest_at.push_back(high);
  }
  return summary;
}

std::string scale_text(const ScaleSummary& scales) {
  return short_text(scales.smallest) + columns_text(scales.smallest_at) + " to " + short_text(scales.largest) +
         columns_text(scales.largest_at);
}

Standardize choose_standardize(const ScaleSummary& scales) {
  if (scales.columns == 0) return Standardize::none;
  if (scales.spread() > wide_spread) return Standardize::columns;
  const bool apart = scales.smallest > wide_spread || scales.largest < 1 / wide_spread;
  return apart ? Standardize::scale : Standardize::none;
}

void measure_features(const Dataset& dataset, std::span<const std::int32_t> nodes, Standardize how,
                      Preparation& preparation) {
  preparation.shift.clear();
  preparation.factor.clear();
  if (how == Standardize::columns) measure_columns(dataset, nodes, preparation);
  if (how != Standardize::scale) return;
  double size = magnitude(dataset, nodes);
  if (size == 0.0) size = magnitude(dataset, all_nodes(dataset));
  preparation.factor.assign(static_cast<std::size_t>(dataset.features()), size > 0.0 ? 1.0 / size : 0.0);
}

void standardize(Dataset& dataset, const Preparation& preparation) {
  const std::vector<double>& factor = preparation.factor;
  if (factor.empty()) return;
  if (static_cast<std::int64_t>(factor.size()) != dataset.features()) {
    throw DataError(dataset.origin + ": has " + std::to_string(dataset.features()) +
                    " features per node, the model was trained on " + std::to_string(factor.size()));
  }
  const auto apply = [&](float& x, std::int64_t c) {
    const double shift = preparation.shift.empty() ? 0.0 : preparation.shift[static_cast<std::size_t>(c)];
    x = static_cast<float>((static_cast<double>(x) - shift) * factor[static_cast<std::size_t>(c)]);
  };
  // A model of dense features may be given sparse ones: their zeros do not stay zeros.
  if (dataset.sparse_features && !preparation.shift.empty()) make_dense(dataset);
  if (dataset.sparse_features) {
    Csr& features = dataset.features_sparse;
    if (features.values.empty()) features.values.assign(features.indices.size(), 1.0f);
    for (std::size_t e = 0; e < features.values.size(); ++e) apply(features.values[e], features.indices[e]);
    check_finite(features.values, 0, dataset.origin + ": standardised features");
    return;
  }
  for (std::int64_t i = 0; i < dataset.features_dense.rows(); ++i) {
    float* row = dataset.features_dense.row(i);
    for (std::int64_t c = 0; c < dataset.features_dense.cols(); ++c) apply(row[c], c);
  }
  check_finite(std::as_const(dataset.features_dense).view().flat(), dataset.features(),
               dataset.origin + ": standardised features");
}

}  // namespace gamlp
