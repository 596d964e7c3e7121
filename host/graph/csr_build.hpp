// Builds CSR matrices that keep the promises of csr.hpp: rows are sorted by column and have no duplicates.
#pragma once

#include <cstdint>
#include <span>

#include "host/graph/csr.hpp"

namespace gamlp {

struct Edge {
  std::int32_t from = 0;
  std::int32_t to = 0;
};

// Returns the nodes × nodes adjacency with an entry (from, to) for every edge given. It merges duplicates. Every value
// is 1, so `values` stays empty. Ids must be in [0, nodes). It takes O(nodes + edges).
Csr csr_from_edges(std::int64_t nodes, std::span<const Edge> edges);

// The same with a value per edge. It sorts rows, but does not merge: equal edges stand side by side.
Csr csr_with_duplicates(std::int64_t nodes, std::span<const Edge> edges, std::span<const float> values);

// Returns the transpose, with sorted rows. It takes O(rows + cols + entries).
Csr transposed(const Csr& matrix);

// Sorts every row by column and adds up the values of equal columns. Where `values` is empty, it keeps one of them. A
// row that is in order already costs one scan.
void sort_and_merge(Csr& matrix);

}  // namespace gamlp
