// A sparse matrix as compressed rows (CSR): an adjacency (nodes × nodes) or sparse features (nodes × features).
#pragma once

#include <cstdint>
#include <vector>

namespace gamlp {

struct Csr {
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  std::vector<std::int64_t> indptr;   // rows + 1 entries, indptr[0] = 0, non-decreasing
  std::vector<std::int32_t> indices;  // column of each entry, 0 <= index < cols, sorted within a row
  std::vector<float> values;          // one per entry; empty means that every value is 1

  std::int64_t entries() const { return static_cast<std::int64_t>(indices.size()); }
  float value(std::int64_t e) const { return values.empty() ? 1.0f : values[static_cast<std::size_t>(e)]; }
};

}  // namespace gamlp
