#include "host/data/load.hpp"

#include "host/core/error.hpp"
#include "tests/data/support.hpp"
#include "tests/support/catch.hpp"

using namespace gamlp;
using namespace gamlp::test;

namespace {

DatasetConfig config_of(const std::string& path) {
  DatasetConfig config;
  config.path = path;
  return config;
}

class WorkingFolder {
 public:
  explicit WorkingFolder(const std::filesystem::path& folder) : old_(std::filesystem::current_path()) {
    std::filesystem::current_path(folder);
  }
  ~WorkingFolder() { std::filesystem::current_path(old_); }

 private:
  std::filesystem::path old_;
};

MemberMap directed_with_loop() {
  MemberMap members = small_dataset();
  members["adj_indices"] = npy_bytes(std::vector<std::int32_t>{0, 1, 3});
  members["adj_indptr"] = npy_bytes(std::vector<std::int64_t>{0, 2, 3, 3, 3});
  members["adj_data"] = npy_bytes(std::vector<float>(3, 1.0f));
  return members;
}

}  // namespace

TEST_CASE("a relative path is looked up beside the config, then in the working folder") {
  const ScratchFolder config_folder, working;
  MemberMap other = small_dataset();
  other["labels"] = npy_bytes(std::vector<std::int64_t>{0, 1, 2, 3});
  working.write("g.npz", zipped(other));
  const WorkingFolder change(working.path());
  CHECK(load_dataset(config_of("g.npz"), config_folder.path()).classes == 4);
  config_folder.write("g.npz", zipped(small_dataset()));
  CHECK(load_dataset(config_of("g.npz"), config_folder.path()).classes == 2);
  CHECK(load_dataset(config_of((working.path() / "g.npz").string()), config_folder.path()).classes == 4);
  const std::string message = data_error_of([&] { load_dataset(config_of("absent.npz"), config_folder.path()); });
  CHECK(contains(message, "absent.npz: no such file (dataset.path): looked in " + config_folder.path().string()));
  CHECK(contains(message, working.path().string()));
}

TEST_CASE("graph options") {
  const ScratchFolder folder;
  folder.write("g.npz", zipped(directed_with_loop()));
  DatasetConfig config = config_of("g.npz");
  CHECK(load_dataset(config, folder.path()).adjacency.indices == std::vector<std::int32_t>{0, 1, 0, 3, 1});
  config.drop_self_loops = true;
  CHECK(load_dataset(config, folder.path()).adjacency.indices == std::vector<std::int32_t>{1, 0, 3, 1});
  config.symmetrize = false;
  CHECK(load_dataset(config, folder.path()).adjacency.indices == std::vector<std::int32_t>{1, 3});
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
    DatasetConfig config = config_of("sparse.npz");
    config.binarize_features = c.binarize;
    config.row_normalize = c.normalize;
    CHECK(load_dataset(config, folder.path()).features_sparse.values == c.values);
    config.path = "dense.npz";
    const Matrix features = load_dataset(config, folder.path()).features_dense;
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
  config.text = TextConfig{"e.txt", "f.csv", "l.txt"};
  CHECK(load_dataset(config, folder.path()).adjacency.entries() == 2);  // symmetrised
  config.text->labels = "none.txt";
  CHECK(contains(data_error_of([&] { load_dataset(config, folder.path()); }),
                 "none.txt: no such file (dataset.text.labels)"));
  config.generate = GenerateConfig{};
  CHECK_THROWS_AS(load_dataset(config, folder.path()), ConfigError);
  config.text.reset();
  CHECK(load_dataset(config, folder.path()).nodes() == 1000);
  config.generate.reset();
  CHECK_THROWS_AS(load_dataset(config, folder.path()), ConfigError);
}
