// Nodes without a class, class ids with gaps, files with several splits, and weights: from the file to the split.
#include <cmath>

#include "host/core/error.hpp"
#include "host/data/classes.hpp"
#include "host/data/load.hpp"
#include "host/data/split.hpp"
#include "tests/data/support.hpp"
#include "tests/support/catch.hpp"

using namespace gamlp;
using namespace gamlp::test;

namespace {

std::string i64(const std::vector<std::int64_t>& values) { return npy_bytes(values); }

std::string bits(std::vector<std::int64_t> shape, const std::vector<std::uint8_t>& values) {
  return npy_bytes<std::uint8_t>(values, shape);
}

DatasetConfig config_of(const ScratchFolder& folder, const MemberMap& members) {
  DatasetConfig config;
  config.path = folder.write("g.npz", zipped(members)).string();
  return config;
}

// Six nodes in a ring-free graph, one feature.
MemberMap six_nodes(const std::vector<std::int64_t>& labels) {
  return {
      {"adj_data", npy_bytes(std::vector<float>(1, 1.0f))}, {"adj_indices", npy_bytes(std::vector<std::int32_t>{1})},
      {"adj_indptr", i64({0, 1, 1, 1, 1, 1, 1})},           {"adj_shape", i64({6, 6})},
      {"attr_matrix", bits({6, 1}, {1, 2, 3, 4, 5, 6})},    {"labels", i64(labels)}};
}

}  // namespace

TEST_CASE("nodes without a class, as -1 and as NaN") {
  MemberMap members = small_dataset();
  members["labels"] = i64({0, 1, 1, -1});
  const Dataset dataset = parse(members);
  CHECK(dataset.labels == std::vector<std::int32_t>{0, 1, 1, no_class});
  CHECK(dataset.classes == 2);
  members["labels"] = npy_bytes(std::vector<float>{0, 1, 1, NAN});
  CHECK(parse(members).labels == dataset.labels);
  // What is written is read again.
  const ScratchFolder folder;
  save_npz_dataset(folder.path() / "saved.npz", dataset);
  CHECK(load_npz_dataset(folder.path() / "saved.npz").labels == dataset.labels);
}

TEST_CASE("labels that are no class are told as they stand in the file") {
  MemberMap members = small_dataset();
  const auto told = [&](const std::string& labels) {
    members["labels"] = labels;
    return data_error_of([&] { parse(members); });
  };
  CHECK(
      contains(told(npy_bytes(std::vector<float>{0, 0.5f, 1, 0})), "bad.npz: labels: element 1: found 0.5, expected"));
  // −1 in a type without signs.
  const std::string wide = told(npy_of("<u8", "(4,)", raw(std::vector<std::uint64_t>{0, 1, ~std::uint64_t{0}, 0})));
  CHECK(contains(wide, "bad.npz: labels: element 2: found the largest <u8, which -1 becomes"));
  CHECK(contains(wide, "labels.astype('int64')"));
  CHECK(contains(told(npy_of("<u4", "(4,)", raw(std::vector<std::uint32_t>{0, ~std::uint32_t{0}, 1, 0}))),
                 "element 1: found the largest <u4, which -1 becomes"));
  members["labels"] = npy_of("<u8", "(4,)", raw(std::vector<std::uint64_t>{0, 1, 1, 0}));
  CHECK(parse(members).labels == std::vector<std::int32_t>{0, 1, 1, 0});
}

TEST_CASE("a mask that holds a node without a class is refused by name, and only then") {
  MemberMap members = small_dataset();
  members["labels"] = i64({0, 1, 1, -1});
  const Dataset fine = parse(members);
  check_split_labels(fine, make_split(fine, {}));
  struct Case {
    std::int64_t node;
    const char* message;
  };
  for (const Case& c : {Case{0, "bad.npz: train_mask: node 0 is in the mask and has no class"},
                        Case{1, "bad.npz: val_mask: node 1 is in the mask and has no class"},
                        Case{2, "bad.npz: test_mask: node 2 is in the mask and has no class"}}) {
    std::vector<std::int64_t> labels = {0, 1, 1, 0};
    labels[static_cast<std::size_t>(c.node)] = -1;
    members["labels"] = i64(labels);
    const Dataset dataset = parse(members);
    CHECK(contains(data_error_of([&] { check_split_labels(dataset, make_split(dataset, {})); }), c.message));
  }
}

TEST_CASE("random splits draw from the nodes with a class only") {
  const Dataset dataset = parse(six_nodes({0, -1, 1, 0, -1, 1}));
  SplitConfig config;
  config.kind = SplitKind::per_class;
  config.train_per_class = 1, config.validation = 1, config.test = 1;
  for (config.seed = 0; config.seed < 10; ++config.seed) {
    const Split split = make_split(dataset, config);
    check_split_labels(dataset, split);
    CHECK(split.train.size() == 2);
  }
  config.test = 2;  // four nodes have a class
  CHECK_THROWS_AS(make_split(dataset, config), ConfigError);
  config.kind = SplitKind::fraction;
  const Split split = make_split(dataset, config);
  check_split_labels(dataset, split);
  CHECK(split.train.size() + split.validation.size() + split.test.size() == 4);
}

TEST_CASE("a graph without labels is for prediction only") {
  const ScratchFolder folder;
  MemberMap members = small_dataset();
  members.erase("labels");
  const DatasetConfig config = config_of(folder, members);
  CHECK(
      contains(data_error_of([&] { load_dataset(config); }), "g.npz: labels: missing, expected one integer per node"));
  const Dataset dataset = load_dataset(config, Preparation{});
  CHECK(!dataset.has_labels);
  CHECK(dataset.labels == std::vector<std::int32_t>(4, no_class));
  members["labels"] = i64({-1, -1, -1, -1});
  const DatasetConfig none = config_of(folder, members);
  CHECK(contains(data_error_of([&] { load_dataset(none); }), "g.npz: labels: no node has a class"));
}

TEST_CASE("class ids with gaps become classes 0, 1, …, or are kept") {
  const ScratchFolder folder;
  DatasetConfig config = config_of(folder, six_nodes({2012, 1999, 2012, -1, 2005, 1999}));
  const Dataset compact = load_dataset(config);
  CHECK(compact.classes == 3);
  CHECK(compact.class_ids == std::vector<std::int32_t>{1999, 2005, 2012});
  CHECK(compact.labels == std::vector<std::int32_t>{2, 0, 2, no_class, 1, 0});
  REQUIRE(compact.notes.size() == 1);
  CHECK(contains(compact.notes[0], "3 ids from 1999 to 2012"));
  // Written with the file's ids.
  save_npz_dataset(folder.path() / "saved.npz", compact);
  CHECK(load_npz_dataset(folder.path() / "saved.npz").labels ==
        std::vector<std::int32_t>{2012, 1999, 2012, no_class, 2005, 1999});
  config.class_ids = ClassIds::keep;
  const Dataset kept = load_dataset(config);
  CHECK(kept.classes == 2013);
  CHECK(kept.class_ids.empty());
  CHECK(kept.labels[4] == 2005);
  // Both split by class, and name a class by the id that the file has.
  SplitConfig split;
  split.kind = SplitKind::per_class;
  split.train_per_class = 1, split.validation = 1, split.test = 1;
  CHECK(make_split(compact, split).train.size() == 3);
  CHECK(make_split(kept, split).train.size() == 3);
  CHECK(make_split(kept, split).test.size() == 1);
  split.train_per_class = 2;
  for (const Dataset* dataset : {&compact, &kept}) {
    try {
      make_split(*dataset, split);
      FAIL("a class of one node gives no two");
    } catch (const ConfigError& error) {
      CHECK(contains(error.what(), "class 2005 of"));
    }
  }
}

TEST_CASE("labels without gaps stay as they are") {
  const ScratchFolder folder;
  const Dataset dataset = load_dataset(config_of(folder, six_nodes({0, 2, 1, 0, 2, 1})));
  CHECK(dataset.class_ids.empty());
  CHECK(dataset.notes.empty());
}

TEST_CASE("another graph takes the classes of the model") {
  const ScratchFolder folder;
  Preparation trained;
  trained.class_ids = {1999, 2005, 2012};
  const Dataset dataset = load_dataset(config_of(folder, six_nodes({2012, 2003, 2005, -1, 2012, 2003})), trained);
  CHECK(dataset.labels == std::vector<std::int32_t>{2, 3, 1, no_class, 2, 3});
  CHECK(dataset.classes == 4);
  CHECK(class_id(dataset.class_ids, 3) == 2003);
}

TEST_CASE("masks of several splits, one row or one column each") {
  const ScratchFolder folder;
  MemberMap by_node = six_nodes({0, 1, 0, 1, 0, 1}), by_split = by_node;
  by_node["train_mask"] = bits({6, 2}, {1, 0, 1, 0, 0, 1, 0, 1, 0, 0, 0, 0});
  by_node["val_mask"] = bits({6, 2}, {0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0});
  by_split["train_mask"] = bits({2, 6}, {1, 1, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0});
  by_split["val_mask"] = bits({2, 6}, {0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0});
  for (MemberMap* members : {&by_node, &by_split}) {
    (*members)["test_mask"] = bits({6}, {0, 0, 0, 0, 1, 1});  // one for all splits
    DatasetConfig config = config_of(folder, *members);
    const Dataset first = load_dataset(config);
    CHECK(first.file_splits == 2);
    CHECK(make_split(first, config.split).train == std::vector<std::int32_t>{0, 1});
    CHECK(make_split(first, config.split).validation == std::vector<std::int32_t>{2});
    REQUIRE(first.notes.size() == 1);
    CHECK(contains(first.notes[0], "split 0 of the file's 2"));
    config.split.index = 1;
    const Dataset second = load_dataset(config);
    CHECK(make_split(second, config.split).train == std::vector<std::int32_t>{2, 3});
    CHECK(make_split(second, config.split).validation == std::vector<std::int32_t>{0});
    CHECK(make_split(second, config.split).test == std::vector<std::int32_t>{4, 5});
    config.split.index = 2;
    try {
      load_dataset(config);
      FAIL("there are two splits");
    } catch (const ConfigError& error) {
      CHECK(contains(error.what(), "dataset.split.index: found 2, but"));
      CHECK(contains(error.what(), "holds 2 splits, expected 0 to 1"));
    }
  }
  MemberMap one = small_dataset();
  DatasetConfig config = config_of(folder, one);
  config.split.index = 1;
  CHECK_THROWS_AS(load_dataset(config), ConfigError);
}

TEST_CASE("edge weights are ignored with a note, or used") {
  const ScratchFolder folder;
  MemberMap members = small_dataset();  // a path 0–1–2–3
  members["adj_data"] = npy_bytes(std::vector<float>{2, 2, 0.5f, 0.5f, 0, 3});
  DatasetConfig config = config_of(folder, members);
  const Dataset ignored = load_dataset(config);
  CHECK(ignored.adjacency.values.empty());
  CHECK(ignored.adjacency.indices == std::vector<std::int32_t>{1, 0, 2, 1, 3, 2});
  REQUIRE(ignored.notes.size() == 1);
  CHECK(contains(ignored.notes[0], "edges have weights (0.5 to 3), which are ignored"));
  config.edge_weights = EdgeWeights::use;
  const Dataset used = load_dataset(config);
  CHECK(used.adjacency.indices == ignored.adjacency.indices);
  CHECK(used.adjacency.values == std::vector<float>{2, 2, 0.5f, 0.5f, 3, 3});
  CHECK(used.notes.empty());
  // 2 → 3 has weight 0, so it is no edge.
  config.symmetrize = false;
  CHECK(load_dataset(config).adjacency.indptr == std::vector<std::int64_t>{0, 1, 3, 5, 5});

  members["adj_data"] = npy_bytes(std::vector<float>{1, 1, 1, -0.25f, 1, 1});
  config = config_of(folder, members);
  CHECK(load_dataset(config).adjacency.values.empty());
  config.edge_weights = EdgeWeights::use;
  CHECK(contains(data_error_of([&] { load_dataset(config); }), "g.npz: edge 2 -> 1: found weight -0.25, expected"));
}

TEST_CASE("a name that nearly is a mask's is refused where the file's masks are wanted, and only there") {
  const ScratchFolder folder;
  MemberMap members = six_nodes({0, 1, 0, 1, 0, 1});
  members["train_mask"] = bits({6}, {1, 1, 0, 0, 0, 0});
  members["valid_mask"] = bits({6}, {0, 0, 1, 0, 0, 0});
  DatasetConfig config = config_of(folder, members);
  CHECK(contains(data_error_of([&] { load_dataset(config); }), "g.npz: found the member valid_mask"));
  config.split.kind = SplitKind::fraction;
  CHECK(load_dataset(config).validation_mask.empty());
}
