#include "host/data/load.hpp"
#include "tests/data/support.hpp"
#include "tests/support/catch.hpp"

using namespace gamlp;
using namespace gamlp::test;

namespace {

Dataset parse_text(const std::string& edges, const std::string& features, const std::string& labels) {
  return parse_text_dataset({edges, "edges.txt"}, {features, "features.csv"}, {labels, "labels.txt"});
}

}  // namespace

TEST_CASE("separators, comments, line endings and signs") {
  const Dataset dataset =
      parse_text("# a graph\n0 1\n1\t2\r\n\n2,0 # last\n 1 , 2 \n0 1", "1.5,+2\n-3e2 , 4\n\n5\t6 # x\n",
                 "\xEF\xBB\xBF"
                 "0\n2\n1\n");
  CHECK(dataset.nodes() == 3);
  CHECK(dataset.classes == 3);
  CHECK(dataset.name == "edges");
  CHECK(dataset.adjacency.indptr == std::vector<std::int64_t>{0, 1, 2, 3});
  CHECK(dataset.adjacency.indices == std::vector<std::int32_t>{1, 2, 0});
  CHECK(!dataset.sparse_features);
  CHECK(dataset.features_dense(0, 1) == 2.0f);
  CHECK(dataset.features_dense(1, 0) == -300.0f);
  CHECK(dataset.features_dense(2, 1) == 6.0f);
  CHECK(dataset.train_mask.empty());
}

TEST_CASE("a graph without edges") {
  const Dataset dataset = parse_text("# none\n", "1\n", "0\n");
  CHECK(dataset.nodes() == 1);
  CHECK(dataset.adjacency.entries() == 0);
}

TEST_CASE("text files that are wrong name their line") {
  struct Bad {
    const char* name;
    std::string edges, features, labels;
    std::string message;
  };
  const std::string e = "0 1\n", f = "1,2\n3,4\n", l = "0\n1\n";
  const Bad corpus[] = {
      {"one field in an edge", "0 1\n\n# x\n1\n", f, l, "edges.txt:4: found 1 fields, expected two node ids"},
      {"four fields in an edge", "0 1 1 1\n", f, l, "edges.txt:1: found 4 fields, expected two node ids, or two ids"},
      {"some edges weighted", "0 1\n1 0 2\n", f, l, "edges.txt:2: found 3 fields, expected two node ids, as on the"},
      {"some edges not weighted", "0 1 2\n1 0\n", f, l, "edges.txt:2: found 2 fields, expected two node ids and a"},
      {"word as weight", "0 1 x\n", f, l, "edges.txt:1: found 'x', expected the weight of the edge"},
      {"NaN as weight", "0 1 nan\n", f, l, "edges.txt:1: found 'nan', expected the weight of the edge"},
      {"id out of range", "0 2\n", f, l, "edges.txt:1: found '2', expected a node id from 0 to 1"},
      {"negative id", "0 1\n-1 0\n", f, l, "edges.txt:2: found '-1', expected a node id"},
      {"huge id", "0 99999999999999999999\n", f, l, "edges.txt:1: found '99999999999999999999'"},
      {"fraction as id", "0.5 1\n", f, l, "edges.txt:1: found '0.5'"},
      {"words as ids", "from to\n", f, l, "edges.txt:1: found 'from'"},
      {"binary edges", std::string("\0\1\2 \3\n", 6), f, l,
       "edges.txt:1: found '?"
       "?"
       "?'"},
      {"empty id", "0,,1\n", f, l, "edges.txt:1: found '', expected a node id from 0 to 1 (an empty field"},
      {"dangling comma", "0,\n", f, l, "edges.txt:1: found '', expected a node id"},
      {"names of columns", e, "a,b\n1,2\n", l, "features.csv:1: found 'a', expected a finite number (begin a line of"},
      {"ragged features", e, "1,2\n3\n", l, "features.csv:2: found 1 fields, expected 2 as on the first line"},
      {"empty feature", e, "1,2\n3,,4\n", l, "features.csv:2: found 3 fields, expected 2"},
      {"word as feature", e, "1,2\n3,x\n", l, "features.csv:2: found 'x', expected a finite number"},
      {"NaN feature", e, "1,2\nnan,2\n", l, "features.csv:2: found 'nan', expected a finite number (a missing value"},
      {"empty field at the end", e, "1,2\n3,\n", l, "features.csv:2: found '', expected a finite number (an empty"},
      {"infinite feature", e, "1,inf\n1,2\n", l, "features.csv:1: found 'inf', expected a finite number"},
      {"feature out of range", e, "1,2\n1,1e99\n", l, "features.csv:2: found '1e99', expected a finite number"},
      {"too few feature rows", e, "1,2\n", l, "features.csv: found 1 rows, expected 2, the labels of labels.txt"},
      {"too many feature rows", e, f + "5,6\n", l, "features.csv:3: found more rows than the 2 labels of labels.txt"},
      {"no features", e, "", l, "features.csv: found 0 rows, expected 2"},
      {"no labels", e, f, "# nothing\n", "labels.txt: found no labels"},
      {"two labels on a line", e, f, "0 1\n",
       "labels.txt:1: found 2 fields, expected one label; several labels per node"},
      {"negative label", e, f, "0\n-2\n", "labels.txt:2: found '-2', expected a label from 0 to 65535"},
      {"absurd label", e, f, "0\n65536\n", "labels.txt:2: found '65536', expected a label"},
      {"fraction as label", e, f, "0.5\n", "labels.txt:1: found '0.5', expected a label"},
      {"gzip", "\x1f\x8b\x08", f, l, "edges.txt: expected plain text, but the file is compressed by gzip"},
      {"UTF-16", e,
       "\xff\xfe"
       "1",
       l, "features.csv: expected plain text, but the file is UTF-16"},
      {"UTF-16, big-endian", e, f, "\xfe\xff", "labels.txt: expected plain text, but the file is UTF-16"},
      {"numpy", e, "\x93NUMPY", l, "features.csv: expected plain text, but the file is a numpy array"},
      {"zip", "PK\x03\x04", f, l, "edges.txt: expected plain text, but the file is a zip archive"},
      {"word as label", e, f, "cat\n", "labels.txt:1: found 'cat'"},
  };
  for (const Bad& bad : corpus) {
    INFO(bad.name);
    CHECK(contains(data_error_of([&] { parse_text(bad.edges, bad.features, bad.labels); }), bad.message));
  }
}

TEST_CASE("numbers as numpy.savetxt writes them, in every file") {
  const Dataset dataset = parse_text("0.000e+00 1.000e+00\n1 0\n", "1.5e+00\n2\n", "1.000000e+00\n0.0\n");
  CHECK(dataset.labels == std::vector<std::int32_t>{1, 0});
  CHECK(dataset.adjacency.indices == std::vector<std::int32_t>{1, 0});
  CHECK(dataset.notes.empty());
}

TEST_CASE("nodes without a class in text") {
  const Dataset dataset = parse_text("0 1\n", "1\n2\n3\n4\n", "2\n-1\nnan\n-1.0\n");
  CHECK(dataset.labels == std::vector<std::int32_t>{2, no_class, no_class, no_class});
  CHECK(dataset.classes == 3);
}

TEST_CASE("the third column of an edge list is the weight") {
  const Dataset dataset = parse_text("0 1 0.5\n1 0 2\n0 1 0.25\n1 1 0\n", "1\n2\n", "0\n1\n");
  CHECK(dataset.adjacency.indices == std::vector<std::int32_t>{1, 0});
  CHECK(dataset.adjacency.values == std::vector<float>{0.75f, 2.0f});
  CHECK(dataset.negative_weight.empty());
  CHECK(parse_text("0 1 1\n0 1 1\n", "1\n2\n", "0\n1\n").adjacency.values.empty());
  CHECK(contains(parse_text("0 1 1\n1 0 -2\n", "1\n2\n", "0\n1\n").negative_weight, "edge 1 -> 0: found weight -2"));
}

TEST_CASE("numbers too small for a float are 0, and it is said") {
  const Dataset dataset = parse_text("0 1\n", "0.0,0e5\n1e-60,-2e-50\n", "0\n1\n");
  CHECK(dataset.features_dense(1, 0) == 0.0f);
  REQUIRE(dataset.notes.size() == 1);
  CHECK(contains(dataset.notes[0], "features.csv:2: 2 numbers are too small for float32"));
  CHECK(parse_text("0 1\n", "1e-45\n1e-40\n", "0\n1\n").notes.empty());
}
