#include <cmath>

#include "host/data/generate.hpp"
#include "host/data/load.hpp"
#include "tests/data/support.hpp"
#include "tests/support/catch.hpp"

using namespace gamlp;
using namespace gamlp::test;

namespace {

void check_small(const Dataset& dataset) {
  CHECK(dataset.nodes() == 4);
  CHECK(dataset.features() == 3);
  CHECK(dataset.classes == 2);
  CHECK(dataset.adjacency.indptr == std::vector<std::int64_t>{0, 1, 3, 5, 6});
  CHECK(dataset.adjacency.indices == std::vector<std::int32_t>{1, 0, 2, 1, 3, 2});
  CHECK(dataset.adjacency.values.empty());
  CHECK(dataset.labels == std::vector<std::int32_t>{0, 1, 1, 0});
}

void check_equal(const Dataset& a, const Dataset& b) {
  CHECK(a.adjacency.indptr == b.adjacency.indptr);
  CHECK(a.adjacency.indices == b.adjacency.indices);
  CHECK(a.labels == b.labels);
  CHECK(a.classes == b.classes);
  CHECK(a.train_mask == b.train_mask);
  CHECK(a.validation_mask == b.validation_mask);
  CHECK(a.test_mask == b.test_mask);
  REQUIRE(a.sparse_features == b.sparse_features);
  REQUIRE(a.features() == b.features());
  CHECK(a.features_sparse.indptr == b.features_sparse.indptr);
  CHECK(a.features_sparse.indices == b.features_sparse.indices);
  CHECK(a.features_sparse.values == b.features_sparse.values);
  CHECK(
      std::equal(a.features_dense.data(), a.features_dense.data() + a.features_dense.size(), b.features_dense.data()));
}

}  // namespace

TEST_CASE("the gnn-benchmark layout with sparse features") {
  const Dataset dataset = parse(small_dataset());
  check_small(dataset);
  CHECK(dataset.name == "bad");
  CHECK(dataset.origin == "bad.npz");
  REQUIRE(dataset.sparse_features);
  CHECK(dataset.features_sparse.indptr == std::vector<std::int64_t>{0, 2, 2, 3, 3});
  CHECK(dataset.features_sparse.values == std::vector<float>{1, 2, -3});
  CHECK(dataset.train_mask == std::vector<std::uint8_t>{1, 0, 0, 0});
}

TEST_CASE("the layout with dense features, without masks") {
  MemberMap members = small_dataset();
  for (const char* key :
       {"attr_data", "attr_indices", "attr_indptr", "attr_shape", "train_mask", "val_mask", "test_mask"}) {
    members.erase(key);
  }
  members["attr_matrix"] =
      npy_with_header(npy_dict(">f8", true, "(4, 3)"), raw<double>({1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, true));
  const Dataset dataset = parse(members);
  check_small(dataset);
  CHECK(!dataset.sparse_features);
  CHECK(dataset.features_dense(0, 1) == 5.0f);
  CHECK(dataset.train_mask.empty());
}

TEST_CASE("other dtypes, a column of labels, and members of real collections") {
  MemberMap members = small_dataset();
  members["adj_data"] = npy_of("|b1", "(6,)", std::string(6, '\1'));
  members["adj_indices"] = npy_of(">i8", "(6,)", raw<std::int64_t>({1, 0, 2, 1, 3, 2}, true));
  members["adj_indptr"] = npy_of("<i4", "(5,)", raw<std::int32_t>({0, 1, 3, 5, 6}));
  members["labels"] = npy_of("<f4", "(4, 1)", raw<float>({0, 1, 1, 0}));
  members["val_mask"] = npy_of("|b1", "(4,)", std::string("\0\1\0\0", 4));
  members["node_names"] = npy_of("|O", "(4,)", "\x80\x04");
  members["class_names"] = npy_of("<U10", "(9,)", "");
  members["metadata"] = "not even an array";
  check_small(parse(members));
}

TEST_CASE("unsorted rows, duplicate edges, zero edges and duplicate features") {
  MemberMap members = small_dataset();
  members["adj_indices"] = npy_bytes(std::vector<std::int32_t>{1, 2, 0, 3, 1, 3, 1, 2, 0});
  members["adj_indptr"] = npy_bytes(std::vector<std::int64_t>{0, 1, 3, 7, 9});
  members["adj_data"] = npy_bytes(std::vector<float>{1, 0.5f, 1, 1, 1, 1, 1, 2, 0});
  members["attr_indices"] = npy_bytes(std::vector<std::int32_t>{2, 2, 1});
  Dataset dataset = parse(members);
  CHECK(dataset.adjacency.values == std::vector<float>{1, 1, 0.5f, 2, 2, 2});  // weights of equal edges add up
  dataset.adjacency.values.clear();
  check_small(dataset);
  CHECK(dataset.features_sparse.indices == std::vector<std::int32_t>{2, 1});
  CHECK(dataset.features_sparse.values == std::vector<float>{3, -3});
}

TEST_CASE("duplicate edges of weight 1 are one edge of weight 1") {
  MemberMap members = small_dataset();
  members["adj_indices"] = npy_bytes(std::vector<std::int32_t>{1, 0, 2, 2, 1, 3, 2});
  members["adj_indptr"] = npy_bytes(std::vector<std::int64_t>{0, 1, 4, 6, 7});
  members["adj_data"] = npy_bytes(std::vector<float>(7, 1.0f));
  check_small(parse(members));
}

TEST_CASE("a saved dataset is loaded as it was") {
  const ScratchFolder folder;
  GenerateConfig config;
  config.nodes = 200;
  Dataset dense = generate_csbm(config);
  save_npz_dataset(folder.path() / "dense.npz", dense);
  const Dataset dense_back = load_npz_dataset(folder.path() / "dense.npz");
  check_equal(dense, dense_back);
  CHECK(dense_back.name == "dense");
  dense.train_mask.clear();
  dense.validation_mask.clear();
  dense.test_mask.clear();
  save_npz_dataset(folder.path() / "dense.npz", dense);
  check_equal(dense, load_npz_dataset(folder.path() / "dense.npz"));
  const Dataset sparse = parse(small_dataset());
  save_npz_dataset(folder.path() / "sparse.npz", sparse);
  check_equal(sparse, load_npz_dataset(folder.path() / "sparse.npz"));
}

TEST_CASE("a row and a column of numbers are vectors") {
  const Dataset plain = parse(small_dataset());
  for (const char* shape : {"(1, 2)", "(2, 1)"}) {
    MemberMap members = small_dataset();
    members["adj_shape"] = npy_of("<i8", shape, raw(std::vector<std::int64_t>{4, 4}));
    members["attr_shape"] = npy_of("<i8", shape, raw(std::vector<std::int64_t>{4, 3}));
    check_equal(parse(members), plain);
  }
  MemberMap members = small_dataset();
  members["labels"] = npy_of("<i8", "(1, 4)", raw(std::vector<std::int64_t>(plain.labels.begin(), plain.labels.end())));
  check_equal(parse(members), plain);
}
