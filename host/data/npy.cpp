#include "host/data/npy.hpp"

#include <bit>
#include <cmath>
#include <concepts>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

#include "host/core/error.hpp"
#include "host/core/files.hpp"
#include "host/core/half.hpp"
#include "host/core/number_text.hpp"

namespace gamlp {
namespace {

static_assert(std::endian::native == std::endian::little, "loads below swap big-endian files only");

struct Half {  // IEEE binary16, as stored
  std::uint16_t bits;
};

float widened(Half half) { return half_to_float(half.bits); }

template <class S>
S load(const std::byte* at, bool swap) {
  std::byte raw[sizeof(S)];
  for (std::size_t i = 0; i < sizeof(S); ++i) raw[i] = at[swap ? sizeof(S) - 1 - i : i];
  S value;
  std::memcpy(&value, raw, sizeof(S));
  return value;
}

template <class T>
const char* type_name() {
  if constexpr (std::is_same_v<T, std::uint8_t>) return "an integer in [0, 255]";
  if constexpr (std::is_same_v<T, std::int32_t>) return "an integer in int32's range";
  if constexpr (std::is_same_v<T, std::int64_t>) return "an integer in int64's range";
  if constexpr (std::is_same_v<T, float>) return "a number in float32's range";
  return "a number";
}

// Whether `v` has an equal (integers) or near (floating) value in T, which is then stored.
template <class T, class S>
bool convert(S v, T& out) {
  if constexpr (std::is_floating_point_v<T>) {
    out = static_cast<T>(v);
    if constexpr (std::is_floating_point_v<S>) return std::isfinite(out) || !std::isfinite(v);
    return true;
  } else if constexpr (std::is_floating_point_v<S>) {
    // Bounds as powers of two, which are exact; NaN fails both comparisons.
    const S upper = std::ldexp(S{1}, std::numeric_limits<T>::digits);
    const S lower = std::is_signed_v<T> ? -upper : S{0};
    if (!(v >= lower && v < upper) || v != std::trunc(v)) return false;
    out = static_cast<T>(v);
    return true;
  } else {
    if (!std::in_range<T>(v)) return false;
    out = static_cast<T>(v);
    return true;
  }
}

template <class S>
struct Source {
  using Value = S;
};

// Calls `action` with the C++ type of the stored elements.
template <class Action>
void with_source_type(const NpyHeader& header, const Action& action) {
  const auto of_size = [&]<class S1, class S2, class S4, class S8>(Source<S1> a, Source<S2> b, Source<S4> c,
                                                                   Source<S8> d) {
    switch (header.itemsize) {
      case 1:
        return action(a);
      case 2:
        return action(b);
      case 4:
        return action(c);
      default:
        return action(d);
    }
  };
  if (header.kind == 'f') {
    if (header.itemsize == 2) return action(Source<Half>{});
    return header.itemsize == 4 ? action(Source<float>{}) : action(Source<double>{});
  }
  if (header.kind == 'i') {
    return of_size(Source<std::int8_t>{}, Source<std::int16_t>{}, Source<std::int32_t>{}, Source<std::int64_t>{});
  }
  of_size(Source<std::uint8_t>{}, Source<std::uint16_t>{}, Source<std::uint32_t>{}, Source<std::uint64_t>{});
}

template <class T>
constexpr const char* descr() {
  if constexpr (std::is_same_v<T, std::uint8_t>) return "|u1";
  if constexpr (std::is_same_v<T, std::int32_t>) return "<i4";
  if constexpr (std::is_same_v<T, std::int64_t>) return "<i8";
  return "<f4";
}

}  // namespace

template <class T>
void NpyArray::copy_to(T* out) const {
  with_source_type(header_, [&]<class S>(Source<S>) {
    const auto count = static_cast<std::size_t>(elements());
    const bool transposed = header_.fortran_order && header_.shape.size() == 2;
    if constexpr (std::is_same_v<S, T>) {
      if (!transposed && !header_.big_endian) {
        if (count > 0) std::memcpy(out, data_.get(), count * sizeof(T));
        return;
      }
    }
    const std::size_t rows = transposed ? static_cast<std::size_t>(header_.shape[0]) : count;
    const std::size_t cols = transposed ? static_cast<std::size_t>(header_.shape[1]) : 1;
    for (std::size_t c = 0, at = 0; c < cols; ++c) {
      for (std::size_t r = 0; r < rows; ++r, ++at) {
        auto value = load<S>(data_.get() + at * sizeof(S), header_.big_endian);
        const auto number = [&] {
          if constexpr (std::is_same_v<S, Half>)
            return widened(value);
          else
            return value;
        }();
        if (!convert(number, out[r * cols + c])) {
          throw DataError(where_ + ": element " + std::to_string(r * cols + c) + ": found " + number_text(number) +
                          ", expected " + type_name<T>());
        }
      }
    }
  });
}

template <class T>
std::vector<T> NpyArray::to() const {
  std::vector<T> out(static_cast<std::size_t>(elements()));
  copy_to(out.data());
  return out;
}

Matrix NpyArray::to_matrix() const {
  if (header_.shape.empty()) throw DataError(where_ + ": found a scalar, expected a matrix");
  Matrix out(header_.shape[0], header_.shape.size() == 2 ? header_.shape[1] : 1);
  copy_to(out.data());
  return out;
}

NpyArray parse_npy(std::span<const std::byte> bytes, const std::string& where) {
  NpyHeader header = parse_npy_header(bytes, where);
  if (bytes.size() != header.total_bytes()) {
    throw DataError(where + ": found " + std::to_string(bytes.size()) + " bytes, expected " +
                    std::to_string(header.total_bytes()) + " for shape " + header.shape_text() + " of " + header.dtype);
  }
  const std::size_t size = bytes.size() - header.data_offset;
  auto data = std::make_unique_for_overwrite<std::byte[]>(size);
  if (size > 0) std::memcpy(data.get(), bytes.data() + header.data_offset, size);
  return {std::move(header), std::move(data), where};
}

NpyArray read_npy(const std::filesystem::path& path) {
  const std::string bytes = read_file(path);
  return parse_npy(std::as_bytes(std::span(bytes)), path.string());
}

template <class T>
std::string npy_bytes(std::span<const T> values, std::span<const std::int64_t> shape) {
  NpyHeader header;
  header.shape.assign(shape.begin(), shape.end());
  expects(header.elements() == values.size(), "as many values as the shape says");
  std::string dict =
      "{'descr': '" + std::string(descr<T>()) + "', 'fortran_order': False, 'shape': " + header.shape_text() + ", }";
  dict.append(63 - (10 + dict.size()) % 64, ' ');  // data begin at a multiple of 64 bytes, as numpy writes them
  dict += '\n';
  std::string out("\x93NUMPY\x01\x00", 8);
  out += static_cast<char>(dict.size() & 255);
  out += static_cast<char>(dict.size() >> 8);
  out += dict;
  out.append(reinterpret_cast<const char*>(values.data()), values.size_bytes());
  return out;
}

template <class T>
std::string npy_bytes(MatView<const T> matrix) {
  const std::int64_t shape[] = {matrix.rows, matrix.cols};
  return npy_bytes<T>(matrix.flat(), shape);
}

template <class T>
std::string npy_bytes(const std::vector<T>& values) {
  const std::int64_t shape[] = {static_cast<std::int64_t>(values.size())};
  return npy_bytes<T>(std::span<const T>(values), shape);
}

template <class T>
void write_npy(const std::filesystem::path& path, MatView<const T> matrix) {
  write_file_atomic(path, npy_bytes(matrix));
}

template <class T>
void write_npy(const std::filesystem::path& path, const std::vector<T>& values) {
  write_file_atomic(path, npy_bytes(values));
}

template std::vector<double> NpyArray::to() const;
#define GAMLP_NPY_TYPE(T)                                                            \
  template std::vector<T> NpyArray::to() const;                                      \
  template std::string npy_bytes(std::span<const T>, std::span<const std::int64_t>); \
  template std::string npy_bytes(MatView<const T>);                                  \
  template std::string npy_bytes(const std::vector<T>&);                             \
  template void write_npy(const std::filesystem::path&, MatView<const T>);           \
  template void write_npy(const std::filesystem::path&, const std::vector<T>&);
GAMLP_NPY_TYPE(std::uint8_t)
GAMLP_NPY_TYPE(std::int32_t)
GAMLP_NPY_TYPE(std::int64_t)
GAMLP_NPY_TYPE(float)
#undef GAMLP_NPY_TYPE

}  // namespace gamlp
