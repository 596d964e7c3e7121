#include "host/graph/csr_build.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "host/core/error.hpp"

namespace gamlp {
namespace {

bool strictly_increasing(std::span<const std::int32_t> row) {
  return std::adjacent_find(row.begin(), row.end(), [](auto a, auto b) { return a >= b; }) == row.end();
}

}  // namespace

Csr transposed(const Csr& matrix) {
  Csr out;
  out.rows = matrix.cols;
  out.cols = matrix.rows;
  out.indptr.assign(static_cast<std::size_t>(out.rows + 1), 0);
  out.indices.resize(matrix.indices.size());
  out.values.resize(matrix.values.size());
  for (const std::int32_t column : matrix.indices) ++out.indptr[static_cast<std::size_t>(column) + 1];
  for (std::size_t i = 1; i < out.indptr.size(); ++i) out.indptr[i] += out.indptr[i - 1];
  std::vector<std::int64_t> next(out.indptr.begin(), out.indptr.end() - 1);
  for (std::int64_t i = 0; i < matrix.rows; ++i) {
    for (std::int64_t e = matrix.indptr[i]; e < matrix.indptr[i + 1]; ++e) {
      const std::int64_t slot = next[matrix.indices[e]]++;
      out.indices[slot] = static_cast<std::int32_t>(i);
      if (!matrix.values.empty()) out.values[slot] = matrix.values[e];
    }
  }
  return out;
}

Csr csr_with_duplicates(std::int64_t nodes, std::span<const Edge> edges, std::span<const float> values) {
  expects(values.empty() || values.size() == edges.size(), "a value for every edge, or none");
  Csr by_target;  // a bucket sort by target, then the transpose sorts by source and keeps targets ascending
  by_target.rows = by_target.cols = nodes;
  by_target.indptr.assign(static_cast<std::size_t>(nodes + 1), 0);
  by_target.indices.resize(edges.size());
  by_target.values.resize(values.size());
  for (const Edge& edge : edges) {
    expects(edge.from >= 0 && edge.from < nodes && edge.to >= 0 && edge.to < nodes, "edge ids within the graph");
    ++by_target.indptr[static_cast<std::size_t>(edge.to) + 1];
  }
  for (std::size_t i = 1; i < by_target.indptr.size(); ++i) by_target.indptr[i] += by_target.indptr[i - 1];
  std::vector<std::int64_t> next(by_target.indptr.begin(), by_target.indptr.end() - 1);
  for (std::size_t e = 0; e < edges.size(); ++e) {
    const std::int64_t slot = next[edges[e].to]++;
    by_target.indices[slot] = edges[e].from;
    if (!values.empty()) by_target.values[slot] = values[e];
  }
  return transposed(by_target);
}

Csr csr_from_edges(std::int64_t nodes, std::span<const Edge> edges) {
  Csr out = csr_with_duplicates(nodes, edges, {});
  sort_and_merge(out);
  return out;
}

void sort_and_merge(Csr& matrix) {
  const bool weighted = !matrix.values.empty();
  std::vector<std::pair<std::int32_t, float>> row;
  std::int64_t written = 0;
  std::int64_t begin = 0;
  for (std::int64_t i = 0; i < matrix.rows; ++i) {
    const std::int64_t end = matrix.indptr[i + 1];
    const auto columns = std::span<const std::int32_t>(matrix.indices).subspan(begin, end - begin);
    if (strictly_increasing(columns)) {
      std::copy(columns.begin(), columns.end(), matrix.indices.begin() + written);
      if (weighted) {
        std::copy(matrix.values.begin() + begin, matrix.values.begin() + end, matrix.values.begin() + written);
      }
      written += end - begin;
    } else {
      row.clear();
      for (std::int64_t e = begin; e < end; ++e) row.emplace_back(matrix.indices[e], matrix.value(e));
      // Stable, so that the order in which duplicates are added is that of the input on every platform.
      std::stable_sort(row.begin(), row.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
      for (std::size_t e = 0; e < row.size(); ++e) {
        if (e > 0 && row[e].first == row[e - 1].first) {
          if (weighted) matrix.values[written - 1] += row[e].second;
          continue;
        }
        matrix.indices[written] = row[e].first;
        if (weighted) matrix.values[written] = row[e].second;
        ++written;
      }
    }
    matrix.indptr[i + 1] = written;
    begin = end;
  }
  matrix.indices.resize(static_cast<std::size_t>(written));
  if (weighted) matrix.values.resize(static_cast<std::size_t>(written));
}

}  // namespace gamlp
