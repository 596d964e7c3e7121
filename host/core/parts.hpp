// How values are dealt in contiguous parts: a tensor to the members of a group, training nodes to blocks, blocks to
// devices.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "host/core/error.hpp"
#include "host/core/matrix.hpp"

namespace gamlp {

// A tensor in a row of values: `values` of them begin at `first`. From there to first + padded nothing else lies.
struct RowTensor {
  std::int64_t first = 0, values = 0, padded = 0;
};

// Divides tensors of a row in blocks of at most `block` values, padding included, which have values of one tensor only.
std::vector<RowTensor> row_blocks(std::span<const RowTensor> tensors, std::int64_t block);

// Parts in order, each of which may be empty.
class Parts {
 public:
  Parts() = default;
  explicit Parts(std::span<const std::int64_t> sizes);
  // As even as parts can be that begin at multiples of `unit`.
  static Parts even(std::int64_t total, int count, std::int64_t unit);

  bool operator==(const Parts&) const = default;
  int count() const { return static_cast<int>(ends_.size()) - 1; }
  std::int64_t total() const { return ends_.back(); }
  std::int64_t first(int part) const { return ends_[static_cast<std::size_t>(part)]; }
  std::int64_t size(int part) const { return first(part + 1) - first(part); }
  // The same parts counted in smaller items, of which each value has so many: bytes for instance.
  Parts times(std::int64_t items) const;
  // A part of a tensor of total() values.
  template <class T>
  MatView<T> of(MatView<T> all, int part) const {
    expects(all.size() == total(), "a tensor has as many values as its parts");
    return {all.data + first(part), 1, size(part)};
  }

 private:
  std::vector<std::int64_t> ends_{0};  // part i is ends_[i] … ends_[i + 1]
};

}  // namespace gamlp
