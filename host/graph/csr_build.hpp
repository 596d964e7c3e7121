// Building CSR matrices that keep csr.hpp's promises: rows sorted by column, no duplicates.
#pragma once

#include <cstdint>
#include <span>

#include "host/graph/csr.hpp"

namespace gamlp {

struct Edge {
  std::int32_t from = 0;
  std::int32_t to = 0;
};

// The nodes × nodes adjacency with an entry (from, to) for every edge given, duplicates merged, every value 1
// (`values` stays empty). Ids must be in [0, nodes). O(nodes + edges).
Csr csr_from_edges(std::int64_t nodes, std::span<const Edge> edges);

// The same with a value per edge, and equal edges side by side: rows sorted, not merged.
Csr csr_with_duplicates(std::int64_t nodes, std::span<const Edge> edges, std::span<const float> values);

// The transpose, rows sorted. O(rows + cols + entries).
Csr transposed(const Csr& matrix);

// Sorts every row by column and adds the values of equal columns (with empty `values`: keeps one of them).
// Rows that are in order already cost one scan.
void sort_and_merge(Csr& matrix);

}  // namespace gamlp
