// Any bytes are either a dataset that keeps its promises or a DataError.
//
// The first byte chooses what the rest is: an archive as it stands, or members for one. Behind an archive's checksums
// and deflate streams a random change rarely reaches the parsers of arrays and graphs; members reach them at once.
#include <cstdint>
#include <cstdlib>

#include "host/core/error.hpp"
#include "host/data/load.hpp"
#include "host/data/split.hpp"
#include "host/graph/augment.hpp"
#include "host/graph/normalize.hpp"
#include "tests/fuzz/seeds.hpp"

namespace {

using namespace gamlp;
using Members = std::vector<std::pair<std::string, std::string>>;

constexpr NpzLimits limits{.total_bytes = 1 << 22};

Members triangle() {
  return {{"adj_data", npy_bytes(std::vector<float>(4, 1.0f))},
          {"adj_indices", npy_bytes(std::vector<std::int32_t>{1, 0, 2, 1})},
          {"adj_indptr", npy_bytes(std::vector<std::int64_t>{0, 1, 3, 4})},
          {"adj_shape", npy_bytes(std::vector<std::int64_t>{3, 3})},
          {"attr_data", npy_bytes(std::vector<float>{1, 2})},
          {"attr_indices", npy_bytes(std::vector<std::int32_t>{1, 0})},
          {"attr_indptr", npy_bytes(std::vector<std::int64_t>{0, 1, 1, 2})},
          {"attr_shape", npy_bytes(std::vector<std::int64_t>{3, 2})},
          {"labels", npy_bytes(std::vector<std::int64_t>{0, 1, 0})},
          {"train_mask", npy_bytes(std::vector<std::uint8_t>{1, 0, 0})},
          {"val_mask", npy_bytes(std::vector<std::uint8_t>{0, 1, 0})}};
}

// Replaces members of the graph above by what follows: index, length (2 bytes), content, again and again. An index
// behind the last member adds a dense attr_matrix in place of the sparse features.
std::string archive_of(const std::uint8_t* data, std::size_t size) {
  Members members = triangle();
  while (size >= 3) {
    const std::size_t length = std::min<std::size_t>(size - 3, data[1] | data[2] << 8);
    std::string content(reinterpret_cast<const char*>(data) + 3, length);
    if (data[0] < members.size()) {
      members[data[0]].second = std::move(content);
    } else if (members[4].first == "attr_data") {
      members[4] = {"attr_matrix", std::move(content)};
    }
    data += 3 + length;
    size -= 3 + length;
  }
  return npz_bytes(members, NpzCompression::stored);
}

void require(bool holds) {
  if (!holds) std::abort();
}

void use(const Dataset& dataset) {
  require(dataset.nodes() >= 1 && dataset.features() >= 1);
  require(dataset.labels.size() == static_cast<std::size_t>(dataset.nodes()));
  bool classified = false;
  for (const std::int32_t label : dataset.labels) {
    require(label == no_class || (label >= 0 && label < dataset.classes));
    classified = classified || label != no_class;
  }
  require(classified == (dataset.classes > 0));
  if (!dataset.train_mask.empty()) require(!make_split(dataset, {}).train.empty());
  if (dataset.nodes() > 100 || dataset.features() > 100) return;
  const Csr propagation = propagation_matrix(symmetrized(dataset.adjacency), PropagationOperator::symmetric);
  const std::vector<std::int32_t> last = {static_cast<std::int32_t>(dataset.nodes() - 1)};
  require(augment(propagation, dataset, last, {.hops = 3}).cols() == 3 * dataset.features());
}

std::string member(int index, const std::string& content) {
  std::string out;
  out += static_cast<char>(index);
  out += static_cast<char>(content.size() & 255);
  out += static_cast<char>(content.size() >> 8);
  return out + content;
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  const Members members = triangle();
  std::vector<std::string> seeds = {"\1" + npz_bytes(members), "\1" + npz_bytes(members, NpzCompression::stored)};
  for (std::size_t i = 0; i < members.size(); ++i) {
    seeds.push_back(std::string(1, '\0') + member(static_cast<int>(i), members[i].second));
  }
  Matrix features(3, 2);
  seeds.push_back(std::string(1, '\0') + member(200, npy_bytes(std::as_const(features).view())));
  fuzz::write_seeds(*argc, *argv, seeds);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  std::string archive;
  if (data[0] & 1) {
    archive.assign(reinterpret_cast<const char*>(data) + 1, size - 1);
  } else {
    archive = archive_of(data + 1, size - 1);
  }
  try {
    use(parse_npz_dataset(std::as_bytes(std::span(archive)), "fuzz.npz", limits));
  } catch (const DataError&) {
  }
  return 0;
}
