// Row-major matrices in host memory, and views of matrices. Rows are nodes and columns are features everywhere, so the
// vector of a node is contiguous.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <span>
#include <vector>

#include "host/core/memory.hpp"

namespace gamlp {

// A contiguous row-major view, which does not own its memory. T is const for inputs and mutable for outputs.
template <class T>
struct MatView {
  T* data = nullptr;
  std::int64_t rows = 0;
  std::int64_t cols = 0;

  std::int64_t size() const { return rows * cols; }
  bool empty() const { return size() == 0; }
  T* row(std::int64_t i) const { return data + i * cols; }
  std::span<T> flat() const { return {data, static_cast<std::size_t>(size())}; }
  operator MatView<const T>() const { return {data, rows, cols}; }
  bool operator==(const MatView&) const = default;  // the same memory and shape
};

using ConstMat = MatView<const float>;
using Mat = MatView<float>;

template <class T>
struct AlignedAllocator {
  using value_type = T;
  AlignedAllocator() = default;
  template <class U>
  AlignedAllocator(const AlignedAllocator<U>&) {}
  T* allocate(std::size_t n) {
    if (n > static_cast<std::size_t>(-1) / sizeof(T)) throw AllocationFailure(static_cast<std::size_t>(-1));
    return static_cast<T*>(allocate_aligned(n * sizeof(T)));
  }
  void deallocate(T* p, std::size_t) { free_aligned(p); }
  bool operator==(const AlignedAllocator&) const { return true; }
};

template <class T>
using AlignedVector = std::vector<T, AlignedAllocator<T>>;

// A float32 matrix that owns its memory. A new one is filled with zeros. Throws AllocationFailure.
// Room for so many floats, such that what follows begins at a multiple of 16 bytes as well.
inline std::int64_t padded_floats(std::int64_t count) { return (count + 3) / 4 * 4; }

class Matrix {
 public:
  Matrix() = default;
  Matrix(std::int64_t rows, std::int64_t cols) : rows_(rows), cols_(cols), values_(zeros(rows, cols)) {}

  std::int64_t rows() const { return rows_; }
  std::int64_t cols() const { return cols_; }
  std::int64_t size() const { return rows_ * cols_; }
  float* data() { return values_.data(); }
  const float* data() const { return values_.data(); }
  float* row(std::int64_t i) { return data() + i * cols_; }
  const float* row(std::int64_t i) const { return data() + i * cols_; }
  float& operator()(std::int64_t i, std::int64_t j) { return values_[static_cast<std::size_t>(i * cols_ + j)]; }
  float operator()(std::int64_t i, std::int64_t j) const { return values_[static_cast<std::size_t>(i * cols_ + j)]; }
  Mat view() { return {data(), rows_, cols_}; }
  ConstMat view() const { return {data(), rows_, cols_}; }

 private:
  static AlignedVector<float> zeros(std::int64_t rows, std::int64_t cols) {
    const auto count = static_cast<std::size_t>(rows * cols);
    try {
      return AlignedVector<float>(count);
    } catch (const std::bad_alloc&) {
      throw AllocationFailure(count * sizeof(float),
                              "a matrix of " + std::to_string(rows) + " × " + std::to_string(cols));
    }
  }

  std::int64_t rows_ = 0, cols_ = 0;
  AlignedVector<float> values_;
};

}  // namespace gamlp
