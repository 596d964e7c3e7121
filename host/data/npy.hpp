// Reads and writes arrays in numpy's .npy format, versions 1.0 to 3.0. It reads the dtypes bool, i1–i8, u1–u8, f2, f4
// and f8 in either byte order, at most two dimensions, and C or Fortran order. Reading trusts nothing. Every malformed
// input is a DataError that begins with `where` (file, or file and member), and says what was found and expected.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "host/core/matrix.hpp"

namespace gamlp {

struct NpyHeader {
  std::string dtype;         // as found, e.g. "<f4"
  char kind = 'f';           // b: bool, i: signed, u: unsigned, f: floating
  std::size_t itemsize = 4;  // bytes per element
  bool big_endian = false;
  bool fortran_order = false;
  std::vector<std::int64_t> shape;  // 0, 1 or 2 extents
  std::size_t data_offset = 0;      // bytes of magic and header before the data

  std::uint64_t elements() const;     // 1 for a scalar; never overflows for a parsed header
  std::uint64_t total_bytes() const;  // header and data
  std::string shape_text() const;     // "(3, 4)"
};

// How many bytes tell the length of the header.
inline constexpr std::size_t npy_prefix_bytes = 12;

// Returns the bytes of magic and header together. `prefix` is the first npy_prefix_bytes, fewer of a shorter input.
std::size_t npy_header_bytes(std::span<const std::byte> prefix, const std::string& where);

// `head` holds at least the magic and the header.
NpyHeader parse_npy_header(std::span<const std::byte> head, const std::string& where);

class NpyArray {
 public:
  // `data` holds header.elements() · header.itemsize bytes.
  NpyArray(NpyHeader header, std::unique_ptr<std::byte[]> data, std::string where)
      : header_(std::move(header)), data_(std::move(data)), where_(std::move(where)) {}

  const NpyHeader& header() const { return header_; }
  const std::string& where() const { return where_; }
  std::int64_t elements() const { return static_cast<std::int64_t>(header_.elements()); }

  // Returns the elements in C order. T is std::uint8_t, std::int32_t, std::int64_t, float or double. For an integer T
  // the values must be integral and in T's range. A finite number must stay finite in T. NaN and infinities pass to a
  // floating T unchanged.
  template <class T>
  std::vector<T> to() const;

  // Returns the same as a matrix. A vector becomes one column. Throws for a scalar.
  Matrix to_matrix() const;

 private:
  template <class T>
  void copy_to(T* out) const;

  NpyHeader header_;
  std::unique_ptr<std::byte[]> data_;
  std::string where_;
};

// Reads a whole .npy file from memory or disk.
NpyArray parse_npy(std::span<const std::byte> bytes, const std::string& where);
NpyArray read_npy(const std::filesystem::path& path);

// Returns the bytes of a .npy file of version 1.0, little-endian, in C order. T is std::uint8_t, std::int32_t,
// std::int64_t or float.
template <class T>
std::string npy_bytes(std::span<const T> values, std::span<const std::int64_t> shape);
template <class T>
std::string npy_bytes(MatView<const T> matrix);
template <class T>
std::string npy_bytes(const std::vector<T>& values);

// Writes a .npy file atomically. Throws an IoError on failure.
template <class T>
void write_npy(const std::filesystem::path& path, MatView<const T> matrix);
template <class T>
void write_npy(const std::filesystem::path& path, const std::vector<T>& values);

}  // namespace gamlp
