#include "host/data/load.hpp"

#include "host/core/error.hpp"
#include "tests/data/support.hpp"
#include "tests/support/catch.hpp"

using namespace gamlp;
using namespace gamlp::test;

namespace {

DatasetConfig config_of(const std::filesystem::path& path) {
  DatasetConfig config;
  config.path = path.string();
  return config;
}

MemberMap directed_with_loop() {
  MemberMap members = small_dataset();
  members["adj_indices"] = npy_bytes(std::vector<std::int32_t>{0, 1, 3});
  members["adj_indptr"] = npy_bytes(std::vector<std::int64_t>{0, 2, 3, 3, 3});
  members["adj_data"] = npy_bytes(std::vector<float>(3, 1.0f));
  return members;
}

}  // namespace

TEST_CASE("graph options") {
  const ScratchFolder folder;
  folder.write("g.npz", zipped(directed_with_loop()));
  DatasetConfig config = config_of(folder.path() / "g.npz");
  CHECK(load_dataset(config).adjacency.indices == std::vector<std::int32_t>{0, 1, 0, 3, 1});
  config.drop_self_loops = true;
  CHECK(load_dataset(config).adjacency.indices == std::vector<std::int32_t>{1, 0, 3, 1});
  config.symmetrize = false;
  CHECK(load_dataset(config).adjacency.indices == std::vector<std::int32_t>{0, 1});
  config.direction = Direction::out;
  CHECK(load_dataset(config).adjacency.indices == std::vector<std::int32_t>{1, 3});
}

TEST_CASE("feature options, sparse and dense") {
  const ScratchFolder folder;
  MemberMap members = small_dataset();
  folder.write("sparse.npz", zipped(members));
  members.erase("attr_data");
  Matrix dense(4, 3);
  dense(0, 0) = 1;
  dense(0, 2) = 2;
  dense(2, 1) = -3;
  members["attr_matrix"] = npy_bytes(std::as_const(dense).view());
  folder.write("dense.npz", zipped(members));
  struct Case {
    bool binarize, normalize;
    std::vector<float> values;
  };
  for (const Case& c : {Case{false, false, {1, 2, -3}}, Case{true, false, {1, 1, 1}},
                        Case{false, true, {1.0f / 3, 2.0f / 3, -1}}, Case{true, true, {0.5f, 0.5f, 1}}}) {
    DatasetConfig config = config_of(folder.path() / "sparse.npz");
    config.binarize_features = c.binarize;
    config.row_normalize = c.normalize;
    CHECK(load_dataset(config).features_sparse.values == c.values);
    config.path = (folder.path() / "dense.npz").string();
    const Matrix features = load_dataset(config).features_dense;
    CHECK(std::vector<float>{features(0, 0), features(0, 2), features(2, 1)} == c.values);
    CHECK(features(1, 1) == 0.0f);
  }
}

TEST_CASE("text and generated sources") {
  const ScratchFolder folder;
  folder.write("e.txt", "0 1\n");
  folder.write("f.csv", "1\n2\n");
  folder.write("l.txt", "0\n1\n");
  DatasetConfig config;
  config.text = TextConfig{(folder.path() / "e.txt").string(), (folder.path() / "f.csv").string(),
                           (folder.path() / "l.txt").string()};
  CHECK(load_dataset(config).adjacency.entries() == 2);  // symmetrised
  config.text->labels = (folder.path() / "none.txt").string();
  CHECK(contains(data_error_of([&] { load_dataset(config); }), "none.txt: cannot open: No such file"));
  config.generate = GenerateConfig{};
  CHECK_THROWS_AS(load_dataset(config), ConfigError);
  config.text.reset();
  CHECK(load_dataset(config).nodes() == 1000);
  config.generate.reset();
  CHECK_THROWS_AS(load_dataset(config), ConfigError);
}
