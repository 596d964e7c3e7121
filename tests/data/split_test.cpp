#include "host/data/split.hpp"

#include <algorithm>
#include <set>

#include "host/core/error.hpp"
#include "tests/data/support.hpp"
#include "tests/support/catch.hpp"

using namespace gamlp;
using namespace gamlp::test;

namespace {

// `sizes[c]` nodes of class c, classes interleaved.
Dataset labelled(std::vector<int> sizes) {
  Dataset dataset;
  dataset.origin = "test.npz";
  dataset.classes = static_cast<std::int32_t>(sizes.size());
  for (bool any = true; any;) {
    any = false;
    for (std::size_t c = 0; c < sizes.size(); ++c) {
      if (sizes[c]-- <= 0) continue;
      dataset.labels.push_back(static_cast<std::int32_t>(c));
      any = true;
    }
  }
  return dataset;
}

void check_valid(const Split& split, const Dataset& dataset) {
  std::set<std::int32_t> seen;
  for (const auto* part : {&split.train, &split.validation, &split.test}) {
    CHECK(std::is_sorted(part->begin(), part->end()));
    for (const std::int32_t i : *part) {
      CHECK(seen.insert(i).second);
      CHECK((i >= 0 && i < static_cast<std::int32_t>(dataset.labels.size())));
    }
  }
}

std::int64_t of_class(const std::vector<std::int32_t>& ids, const Dataset& dataset, std::int32_t c) {
  return std::count_if(ids.begin(), ids.end(), [&](std::int32_t i) { return dataset.labels[i] == c; });
}

std::string config_error_of(const Dataset& dataset, const SplitConfig& config) {
  try {
    make_split(dataset, config);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return {};
}

}  // namespace

TEST_CASE("the split of the file") {
  const Dataset dataset = parse(small_dataset());
  const Split split = make_split(dataset, {});
  CHECK(split.train == std::vector<std::int32_t>{0});
  CHECK(split.validation == std::vector<std::int32_t>{1});
  CHECK(split.test == std::vector<std::int32_t>{2});
  CHECK(contains(data_error_of([] { make_split(labelled({3, 3}), {}); }), "test.npz: train_mask: missing"));
  CHECK(contains(data_error_of([] { make_split(labelled({3, 3}), {}); }), "\"per_class\""));
}

TEST_CASE("nodes per class") {
  const Dataset dataset = labelled({40, 25, 100});
  SplitConfig config{.kind = SplitKind::per_class, .validation = 30, .test = 60, .seed = 7};
  const Split split = make_split(dataset, config);
  check_valid(split, dataset);
  for (std::int32_t c = 0; c < 3; ++c) CHECK(of_class(split.train, dataset, c) == 20);
  CHECK(split.validation.size() == 30);
  CHECK(split.test.size() == 60);
  CHECK(make_split(dataset, config).train == split.train);
  config.seed = 8;
  CHECK(make_split(dataset, config).train != split.train);
}

TEST_CASE("too few nodes per class") {
  SplitConfig config{.kind = SplitKind::per_class, .validation = 10, .test = 10};
  CHECK(contains(config_error_of(labelled({40, 19}), config),
                 "dataset.split.train_per_class: found 20, but class 1 of test.npz has only 19 nodes"));
  CHECK(contains(config_error_of(labelled({25, 25}), config), "only 10 nodes of test.npz are left"));
  CHECK(config_error_of(labelled({30, 30}), config).empty());
  config.train_per_class = 0;
  CHECK(contains(config_error_of(labelled({30, 30}), config), "train_per_class >= 1"));
}

TEST_CASE("fractions, stratified") {
  const Dataset dataset = labelled({50, 100, 1, 7});
  SplitConfig config{.kind = SplitKind::fraction, .train_fraction = 0.6, .validation_fraction = 0.2, .seed = 3};
  const Split split = make_split(dataset, config);
  check_valid(split, dataset);
  CHECK(split.train.size() + split.validation.size() + split.test.size() == 158);
  CHECK(of_class(split.train, dataset, 0) == 30);
  CHECK(of_class(split.validation, dataset, 0) == 10);
  CHECK(of_class(split.test, dataset, 1) == 20);
  CHECK(of_class(split.train, dataset, 2) == 1);
  CHECK(of_class(split.train, dataset, 3) == 4);
  CHECK(make_split(dataset, config).test == split.test);
  config.train_fraction = 0.7;
  config.validation_fraction = 0.3;
  CHECK(make_split(dataset, config).test.empty());
  for (const auto& [train, validation] : {std::pair{0.0, 0.2}, {0.9, 0.2}, {0.5, -0.1}, {1.1, 0.0}}) {
    config.train_fraction = train;
    config.validation_fraction = validation;
    CHECK(contains(config_error_of(dataset, config), "dataset.split: found train_fraction"));
  }
}

TEST_CASE("stratified training nodes have every class by its share in any part, whatever their order was") {
  Dataset dataset;
  dataset.classes = 3;
  for (std::int32_t i = 0; i < 1000; ++i) {  // sorted by class
    dataset.labels.push_back(i < 600 ? 0 : i < 900 ? 1 : 2);
    dataset.train_mask.push_back(i % 10 != 0), dataset.validation_mask.push_back(0), dataset.test_mask.push_back(0);
  }
  dataset.test_mask[0] = 1;
  SplitConfig config;
  const Split plain = make_split(dataset, config);
  config.stratify = true;
  const Split split = make_split(dataset, config);
  CHECK(split.train != plain.train);
  CHECK(make_split(dataset, config).train == split.train);
  std::vector<std::int32_t> sorted = split.train;
  std::sort(sorted.begin(), sorted.end());
  CHECK(sorted == plain.train);
  CHECK(split.test == plain.test);
  for (const std::size_t parts : {2, 7, 30}) {
    const std::size_t size = split.train.size() / parts;
    for (std::size_t part = 0; part < parts; ++part) {
      int count[3] = {};
      for (std::size_t i = part * size; i < (part + 1) * size; ++i) {
        ++count[dataset.labels[static_cast<std::size_t>(split.train[i])]];
      }
      const double share[3] = {0.6, 0.3, 0.1};
      for (int c = 0; c < 3; ++c) CHECK(std::abs(count[c] - share[c] * static_cast<double>(size)) <= 2.0);
    }
  }
  config.seed = 1;
  CHECK(make_split(dataset, config).train != split.train);
  // Nodes of a class are in no order either.
  std::vector<std::int32_t> first;
  for (const std::int32_t node : split.train) {
    if (node < 600) first.push_back(node);
  }
  CHECK_FALSE(std::is_sorted(first.begin(), first.end()));
}
