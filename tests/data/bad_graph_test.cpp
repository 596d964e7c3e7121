// Archives that are sound, holding arrays that are no graph: each must be refused with this message.
#include <limits>

#include "tests/data/support.hpp"
#include "tests/support/catch.hpp"

using namespace gamlp;
using namespace gamlp::test;

namespace {

template <class T>
std::string vec(std::initializer_list<T> values) {
  return npy_bytes(std::vector<T>(values));
}
std::string i64(std::initializer_list<std::int64_t> values) { return vec(values); }
std::string i32(std::initializer_list<std::int32_t> values) { return vec(values); }
std::string f32(std::initializer_list<float> values) { return vec(values); }
std::string u8(std::initializer_list<std::uint8_t> values) { return vec(values); }

const float not_a_number = std::numeric_limits<float>::quiet_NaN();
const float infinite = std::numeric_limits<float>::infinity();

// Changes small_dataset(): an empty text removes the member.
struct BadGraph {
  const char* name;
  MemberMap changes;
  std::string message;
};

}  // namespace

TEST_CASE("arrays that are no graph") {
  const std::string dense_nan = npy_of("<f4", "(4, 1)", raw<float>({1, 2, not_a_number, 4}));
  const BadGraph corpus[] = {
      {"no adjacency",
       {{"adj_indices", ""}},
       "bad.npz: adj_indices: missing; the file holds adj_data.npy, adj_indptr.npy"},
      {"no adj_shape", {{"adj_shape", ""}}, "bad.npz: adj_shape: missing"},
      {"no features", {{"attr_data", ""}}, "bad.npz: attr_data: missing, expected features as attr_data"},
      {"no attr_indptr", {{"attr_indptr", ""}}, "bad.npz: attr_indptr: missing"},
      {"a matrix of extents",
       {{"adj_shape", npy_of("<i8", "(2, 2)", raw(std::vector<std::int64_t>{4, 4, 4, 4}))}},
       "bad.npz: adj_shape: found shape (2, 2), expected a vector"},
      {"three extents", {{"adj_shape", i64({4, 4, 4})}}, "bad.npz: adj_shape: found 3 entries, expected 2"},
      {"not square", {{"adj_shape", i64({4, 5})}}, "bad.npz: adj_shape: found 4 × 5, expected a square adjacency"},
      {"no nodes", {{"adj_shape", i64({0, 0})}}, "bad.npz: adj_shape: found 0 nodes, expected 1 to"},
      {"negative nodes", {{"adj_shape", i64({-4, -4})}}, "bad.npz: adj_shape: found -4 nodes"},
      {"absurd nodes", {{"adj_shape", i64({1ll << 40, 1ll << 40})}}, "bad.npz: adj_shape: found 1099511627776 nodes"},
      {"fractional shape", {{"adj_shape", f32({4.5f, 4})}}, "bad.npz: adj_shape: element 0: found 4.5"},
      {"indptr too short", {{"adj_indptr", i64({0, 1, 3, 6})}}, "bad.npz: adj_indptr: found 4 entries, expected 5"},
      {"indptr starts late",
       {{"adj_indptr", i64({1, 1, 3, 5, 6})}},
       "bad.npz: adj_indptr: entry 0: found 1, expected 0"},
      {"indptr decreases", {{"adj_indptr", i64({0, 3, 1, 5, 6})}}, "bad.npz: adj_indptr: entry 2: found 1 after 3"},
      {"indptr negative", {{"adj_indptr", i64({0, -1, 3, 5, 6})}}, "bad.npz: adj_indptr: entry 1: found -1 after 0"},
      {"indptr ends late",
       {{"adj_indptr", i64({0, 1, 3, 5, 7})}},
       "bad.npz: adj_indptr: found a last entry of 7, expected 6"},
      {"indptr ends early", {{"adj_indptr", i64({0, 1, 3, 5, 5})}}, "bad.npz: adj_indptr: found a last entry of 5"},
      {"indptr huge",
       {{"adj_indptr", i64({0, 1, 3, 5, 1ll << 62})}},
       "bad.npz: adj_indptr: found a last entry of 46116"},
      {"indptr a matrix",
       {{"adj_indptr", npy_of("<i8", "(2, 2)", raw<std::int64_t>({0, 1, 1, 1}))}},
       "bad.npz: adj_indptr: found shape (2, 2), expected a vector"},
      {"indices too few", {{"adj_indices", i32({1, 0})}}, "bad.npz: adj_indptr: found a last entry of 6, expected 2"},
      {"index out of range",
       {{"adj_indices", i32({1, 0, 4, 1, 3, 2})}},
       "bad.npz: adj_indices: entry 2: found 4, expected a column in [0, 4)"},
      {"index negative", {{"adj_indices", i32({-1, 0, 2, 1, 3, 2})}}, "bad.npz: adj_indices: entry 0: found -1"},
      {"index beyond int32",
       {{"adj_indices", i64({1, 0, 2, 1, 3, 1ll << 33})}},
       "bad.npz: adj_indices: element 5: found 8589934592, expected an integer in int32's range"},
      {"index of many digits",
       {{"adj_indices", f32({1, 0, 2, 1, 3, 3e38f})}},
       "bad.npz: adj_indices: element 5: found 3e+38, expected an integer"},
      {"index fractional", {{"adj_indices", f32({0.5f, 0, 2, 1, 3, 2})}}, "bad.npz: adj_indices: element 0: found 0.5"},
      {"index NaN",
       {{"adj_indices", f32({1, not_a_number, 2, 1, 3, 2})}},
       "bad.npz: adj_indices: element 1: found nan"},
      {"adj_data too few", {{"adj_data", f32({1, 1})}}, "bad.npz: adj_data: found 2 entries, expected 6"},
      {"adj_data NaN",
       {{"adj_data", f32({1, 1, 1, not_a_number, 1, 1})}},
       "bad.npz: adj_data: entry 3: found nan, expected finite"},
      {"adjacency scalar", {{"adj_data", npy_of("<f4", "()", raw<float>({1}))}}, "bad.npz: adj_data: found shape ()"},
      {"feature rows",
       {{"attr_shape", i64({5, 3})}},
       "bad.npz: attr_shape: found 5 rows, expected 4, the nodes of adj_shape"},
      {"no feature columns", {{"attr_shape", i64({4, 0})}}, "bad.npz: attr_shape: found 0 features, expected 1 to"},
      {"absurd feature columns",
       {{"attr_shape", i64({4, 1ll << 50})}},
       "bad.npz: attr_shape: found 1125899906842624 features"},
      {"feature out of range",
       {{"attr_indices", i32({0, 3, 1})}},
       "bad.npz: attr_indices: entry 1: found 3, expected a column in [0, 3)"},
      {"feature index negative", {{"attr_indices", i32({0, 2, -7})}}, "bad.npz: attr_indices: entry 2: found -7"},
      {"feature indptr", {{"attr_indptr", i64({0, 2, 1, 3, 3})}}, "bad.npz: attr_indptr: entry 2: found 1 after 2"},
      {"feature NaN",
       {{"attr_data", f32({1, not_a_number, 3})}},
       "bad.npz: attr_data: entry 1: found nan, expected finite numbers"},
      {"feature infinite", {{"attr_data", f32({1, 2, -infinite})}}, "bad.npz: attr_data: entry 2: found -inf"},
      {"feature too large",
       {{"attr_data", npy_of("<f8", "(3,)", raw<double>({1, 1e200, 3}))}},
       "bad.npz: attr_data: element 1"},
      {"duplicates overflow",
       {{"attr_data", f32({3e38f, 3e38f, 1})}, {"attr_indices", i32({1, 1, 1})}},
       "bad.npz: attr_data, duplicates added up: entry 0: found inf"},
      {"features pickled",
       {{"attr_data", npy_of("|O", "(3,)", "\x80\x04x")}},
       "bad.npz: attr_data: found dtype 'object' (pickled Python objects, which are never loaded)"},
      {"dense features NaN",
       {{"attr_data", ""}, {"attr_matrix", dense_nan}},
       "bad.npz: attr_matrix: row 2, column 0: found nan"},
      {"dense features a vector",
       {{"attr_data", ""}, {"attr_matrix", f32({1, 2, 3, 4})}},
       "bad.npz: attr_matrix: found shape (4,), expected nodes × features"},
      {"dense feature rows",
       {{"attr_data", ""}, {"attr_matrix", npy_of("<f4", "(2, 1)", raw<float>({1, 2}))}},
       "bad.npz: attr_matrix: found 2 rows, expected 4"},
      {"dense features absent",
       {{"attr_data", ""}, {"attr_matrix", npy_of("<f4", "(4, 0)", "")}},
       "bad.npz: attr_matrix: found 0 features"},
      {"labels too few", {{"labels", i64({0, 1})}}, "bad.npz: labels: found 2 entries, expected 4"},
      {"label negative",
       {{"labels", i64({0, -2, 1, 0})}},
       "bad.npz: labels: node 1: found label -2, expected 0 to 65535, or -1 for a node without a class"},
      {"label absurd", {{"labels", i64({0, 1, 1ll << 40, 0})}}, "bad.npz: labels: node 2: found label 1099511627776"},
      {"label fractional", {{"labels", f32({0, 1, 0.5f, 0})}}, "bad.npz: labels: element 2: found 0.5"},
      {"labels one-hot",
       {{"labels", npy_of("|u1", "(4, 2)", std::string(8, '\1'))}},
       "bad.npz: labels: found shape (4, 2): several labels per node, expected one: a node belongs to one class"},
      {"label infinite", {{"labels", f32({0, 1, INFINITY, 0})}}, "bad.npz: labels: element 2: found inf"},
      {"validation mask by another name",
       {{"val_mask", ""}, {"valid_mask", u8({0, 1, 0, 0})}},
       "bad.npz: found the member valid_mask, which is not read, and no val_mask: expected the name val_mask, with one "
       "0 or 1 per node"},
      {"validation mask misspelt",
       {{"val_mask", ""}, {"vla_mask", u8({0, 1, 0, 0})}},
       "bad.npz: found the member vla_mask, which is not read, and no val_mask"},
      {"validation nodes by their part",
       {{"val_mask", ""}, {"is_val", u8({0, 1, 0, 0})}},
       "found the member is_val, which"},
      {"validation ids by a short name", {{"val_mask", ""}, {"dev", i64({1})}}, "found the member dev, which"},
      {"test ids", {{"test_mask", ""}, {"split.test", i64({2})}}, "found the member split.test, which"},
      {"mask in capitals", {{"test_mask", ""}, {"Test_Mask", u8({0, 0, 1, 0})}}, "the member Test_Mask, which is not"},
      {"ids in place of a mask", {{"train_mask", ""}, {"train_idx", i64({0})}}, "the member train_idx, which is not"},
      {"labels by another name",
       {{"labels", ""}, {"y", i64({0, 1, 1, 0})}},
       "bad.npz: found the member y, which is not"},
      {"a mask of no split's shape",
       {{"val_mask", npy_of("|u1", "(3, 2)", std::string(6, '\0'))}},
       "bad.npz: val_mask: found shape (3, 2), expected 4 entries, or nodes × splits"},
      {"masks of other numbers of splits",
       {{"train_mask", npy_of("|b1", "(4, 2)", std::string("\1\1\0\0\0\0\0\0", 8))},
        {"val_mask", npy_of("|b1", "(3, 4)", std::string(12, '\0'))}},
       "bad.npz: val_mask: found 3 splits, expected 2 as in train_mask"},
      {"mask too long", {{"val_mask", u8({0, 1, 0, 0, 0})}}, "bad.npz: val_mask: found 5 entries, expected 4"},
      {"mask of ids", {{"test_mask", u8({0, 0, 7, 0})}}, "bad.npz: test_mask: node 2: found 7, expected 0 or 1"},
      {"masks overlap",
       {{"val_mask", u8({1, 1, 0, 0})}},
       "bad.npz: train_mask and val_mask overlap: node 0 is in both"},
      {"validation in test", {{"test_mask", u8({0, 1, 1, 0})}}, "bad.npz: val_mask and test_mask overlap: node 1"},
      {"train in test", {{"test_mask", u8({1, 0, 0, 0})}}, "bad.npz: train_mask and test_mask overlap: node 0"},
      {"train mask empty",
       {{"train_mask", u8({0, 0, 0, 0})}},
       "bad.npz: train_mask: found no node, expected at least one"},
      {"train mask missing", {{"train_mask", ""}}, "bad.npz: train_mask: missing beside the other masks"},
  };
  for (const BadGraph& bad : corpus) {
    INFO(bad.name);
    MemberMap members = small_dataset();
    for (const auto& [key, content] : bad.changes) {
      if (content.empty())
        members.erase(key);
      else
        members[key] = content;
    }
    CHECK(contains(data_error_of([&] { parse(members); }), bad.message));
  }
}
