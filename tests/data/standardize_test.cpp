#include "host/data/standardize.hpp"

#include <cmath>

#include "host/core/error.hpp"
#include "tests/data/support.hpp"
#include "tests/support/catch.hpp"

using namespace gamlp;
using namespace gamlp::test;

namespace {

Dataset dense(std::int64_t rows, std::int64_t cols, const std::vector<float>& values) {
  Dataset dataset;
  dataset.origin = "test.npz";
  dataset.adjacency.rows = dataset.adjacency.cols = rows;
  dataset.features_dense = Matrix(rows, cols);
  std::copy(values.begin(), values.end(), dataset.features_dense.data());
  return dataset;
}

Dataset sparse_of(const Dataset& from) {
  Dataset dataset = from;
  dataset.sparse_features = true;
  Csr& csr = dataset.features_sparse;
  csr.rows = from.features_dense.rows(), csr.cols = from.features_dense.cols();
  csr.indptr.push_back(0);
  for (std::int64_t i = 0; i < csr.rows; ++i) {
    for (std::int64_t c = 0; c < csr.cols; ++c) {
      if (from.features_dense(i, c) == 0.0f) continue;
      csr.indices.push_back(static_cast<std::int32_t>(c));
      csr.values.push_back(from.features_dense(i, c));
    }
    csr.indptr.push_back(csr.entries());
  }
  dataset.features_dense = Matrix();
  return dataset;
}

const std::vector<std::int32_t> first_two = {0, 1};

// Age, income, time, a constant, and a column that only the last row, outside the training rows, has.
Dataset people() {
  return dense(3, 5,
               {20, 1e5f, 1.5e9f, 7, 0,  //
                40, 3e5f, 1.7e9f, 7, 0,  //
                70, 2e5f, 1.6e9f, 7, 6});
}

}  // namespace

TEST_CASE("columns: mean 0 and deviation 1 over the training rows") {
  Dataset dataset = people();
  Preparation p;
  measure_features(dataset, first_two, Standardize::columns, p);
  CHECK(p.shift == std::vector<double>{30, 2e5, 1.6e9, 7, 2});
  standardize(dataset, p);
  const Matrix& x = dataset.features_dense;
  for (std::int64_t c = 0; c < 3; ++c) {
    CHECK(std::fabs(x(0, c) + 1) < 1e-6f);
    CHECK(std::fabs(x(1, c) - 1) < 1e-6f);
  }
  CHECK(std::fabs(x(2, 0) - 4) < 1e-6f);
  CHECK(std::fabs(x(2, 2)) < 1e-6f);
  // Constant everywhere: 0. Constant in the training rows: by all rows, whose mean is 2 and variance 8.
  for (std::int64_t i = 0; i < 3; ++i) CHECK(x(i, 3) == 0.0f);
  CHECK(std::fabs(x(2, 4) - 4 / std::sqrt(8.0f)) < 1e-6f);
  CHECK(std::fabs(x(0, 4) + 2 / std::sqrt(8.0f)) < 1e-6f);
}

TEST_CASE("another graph takes the training graph's numbers, and a constant column stays harmless there") {
  Preparation p;
  measure_features(people(), first_two, Standardize::columns, p);
  Dataset other = dense(1, 5, {50, 2e5f, 1.6e9f, 1e9f, 2});
  standardize(other, p);
  CHECK(std::fabs(other.features_dense(0, 0) - 2) < 1e-6f);
  CHECK(other.features_dense(0, 3) == 0.0f);
  Dataset narrow = dense(1, 2, {1, 2});
  CHECK(contains(data_error_of([&] { standardize(narrow, p); }),
                 "test.npz: has 2 features per node, the model was trained on 5"));
  Dataset huge = dense(1, 5, {3e38f, 0, 0, 0, 0});
  p.factor[0] = 1e3;
  CHECK(contains(data_error_of([&] { standardize(huge, p); }), "test.npz: standardised features: row 0, column 0"));
}

TEST_CASE("sparse features stay sparse: divided, not shifted") {
  Dataset dataset = sparse_of(dense(3, 3, {3, 0, 0, 4, 0, 0, 0, 2, 0}));
  Preparation p;
  measure_features(dataset, first_two, Standardize::columns, p);
  CHECK(p.shift.empty());
  // √((9 + 16)/2); of column 1 over all rows √(4/3); column 2 is empty.
  REQUIRE(p.factor.size() == 3);
  CHECK(std::fabs(p.factor[0] - 1 / std::sqrt(12.5)) < 1e-12);
  CHECK(std::fabs(p.factor[1] - std::sqrt(3.0) / 2) < 1e-12);
  CHECK(p.factor[2] == 0.0);
  standardize(dataset, p);
  REQUIRE(dataset.sparse_features);
  CHECK(dataset.features_sparse.entries() == 3);
  CHECK(std::fabs(dataset.features_sparse.values[1] - 4 / std::sqrt(12.5f)) < 1e-6f);
}

TEST_CASE("dense and sparse storage of another graph give the same values") {
  Preparation p;
  measure_features(people(), first_two, Standardize::columns, p);
  Dataset a = people(), b = sparse_of(people());
  standardize(a, p);
  standardize(b, p);
  REQUIRE(!b.sparse_features);
  for (std::int64_t i = 0; i < 3; ++i) {
    for (std::int64_t c = 0; c < 5; ++c) CHECK(a.features_dense(i, c) == b.features_dense(i, c));
  }
}

TEST_CASE("scale: one factor for all") {
  Dataset dataset = dense(3, 2, {3e6f, 0, 0, 4e6f, 5e6f, 9e6f});
  Preparation p;
  measure_features(dataset, first_two, Standardize::scale, p);
  CHECK(p.shift.empty());
  REQUIRE(p.factor.size() == 2);
  CHECK(p.factor[0] == p.factor[1]);
  CHECK(std::fabs(p.factor[0] * std::sqrt(12.5e12) - 1) < 1e-12);
  standardize(dataset, p);
  CHECK(std::fabs(dataset.features_dense(2, 1) - 9 / std::sqrt(12.5f)) < 1e-6f);
  measure_features(dataset, first_two, Standardize::none, p);
  CHECK(p.factor.empty());
}

TEST_CASE("scales of columns, and what is chosen for them") {
  const ScaleSummary scales = summarize_scales(people());
  CHECK(scales.columns == 5);
  CHECK(scales.smallest_at == std::vector<std::int64_t>{4, 3, 0});
  CHECK(scales.largest_at == std::vector<std::int64_t>{2});
  CHECK(std::fabs(scales.smallest - 6) < 1e-12);  // the root mean square of values that are not 0
  CHECK(choose_standardize(scales) == Standardize::columns);
  CHECK(contains(scale_text(scales), "6 (columns 4, 3, 0) to 1.6e+09 (column 2)"));
  CHECK(choose_standardize(summarize_scales(dense(2, 2, {1, 900, 1, 900}))) == Standardize::none);
  CHECK(choose_standardize(summarize_scales(dense(2, 2, {1, 1100, 1, 1100}))) == Standardize::columns);
  CHECK(choose_standardize(summarize_scales(dense(2, 2, {1e6f, 2e6f, 1e6f, 2e6f}))) == Standardize::scale);
  CHECK(choose_standardize(summarize_scales(dense(2, 2, {1e-6f, 2e-6f, 1e-6f, 0}))) == Standardize::scale);
  CHECK(choose_standardize(summarize_scales(dense(2, 2, {1e-4f, 2, 0, 0}))) == Standardize::columns);
  CHECK(choose_standardize(summarize_scales(dense(2, 2, {0, 0, 0, 0}))) == Standardize::none);
}
