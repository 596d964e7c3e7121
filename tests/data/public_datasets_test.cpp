// Counts of public datasets, where the folder GAMLP_DATASETS holds them.
#include <numeric>

#include "host/data/load.hpp"
#include "host/data/split.hpp"
#include "host/graph/augment.hpp"
#include "host/graph/normalize.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/environment.hpp"

using namespace gamlp;

namespace {

struct Expected {
  const char* file;
  std::int64_t nodes, entries, features;
  std::int32_t classes;
  std::size_t train, validation, test;
  std::int64_t symmetrized_without_loops;
};

const Expected expected[] = {
    {"cora.npz", 2708, 10556, 1433, 7, 140, 500, 1000, 10556},
    {"citeseer.npz", 3327, 9228, 3703, 6, 120, 500, 1000, 9104},
    {"amazon_photo.npz", 7650, 143663, 745, 8, 160, 1000, 1000, 238162},
    {"coauthor_cs.npz", 18333, 163788, 6805, 15, 300, 1000, 1000, 163788},
};

}  // namespace

TEST_CASE("public datasets have the counts of their documentation", "[.datasets]") {
  for (const Expected& e : expected) {
    if (!test::has_dataset(e.file)) continue;
    INFO(e.file);
    DatasetConfig config;
    config.path = (test::datasets() / e.file).string();
    config.symmetrize = false;
    const Dataset raw = load_dataset(config);
    CHECK(raw.nodes() == e.nodes);
    CHECK(raw.adjacency.entries() == e.entries);
    CHECK(raw.features() == e.features);
    CHECK(raw.classes == e.classes);
    CHECK(raw.sparse_features);
    const Split split = make_split(raw, {});
    CHECK(split.train.size() == e.train);
    CHECK(split.validation.size() == e.validation);
    CHECK(split.test.size() == e.test);
    config.symmetrize = config.drop_self_loops = true;
    const Dataset clean = load_dataset(config);
    CHECK(clean.adjacency.entries() == e.symmetrized_without_loops);
    const Csr propagation = propagation_matrix(clean.adjacency, PropagationOperator::symmetric);
    const Matrix x = augment(propagation, clean, split.train, {.hops = 3, .threads = 2});
    CHECK(x.rows() == static_cast<std::int64_t>(e.train));
    CHECK(x.cols() == 3 * e.features);
  }
}
