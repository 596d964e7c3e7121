// The header of a .npy file: "\x93NUMPY", version, length, and a Python dict literal such as
// {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }
#include <algorithm>
#include <bit>
#include <cctype>
#include <cstring>
#include <optional>
#include <string_view>

#include "host/core/error.hpp"
#include "host/data/npy.hpp"

namespace gamlp {
namespace {

constexpr std::size_t max_header_bytes = 64 * 1024;
constexpr std::int64_t max_extent = std::int64_t{1} << 48;

[[noreturn]] void fail(const std::string& where, const std::string& message) {
  throw DataError(where + ": " + message);
}

// Text of a file as it may stand in a message: printable, and not endless.
std::string printable(std::string_view text) {
  std::string out = "'";
  for (const char c : text.substr(0, 40)) out += std::isprint(static_cast<unsigned char>(c)) ? c : '?';
  return out + (text.size() > 40 ? "…'" : "'");
}

class HeaderParser {
 public:
  HeaderParser(std::string_view text, const std::string& where) : text_(text), where_(where) {}

  NpyHeader parse() {
    NpyHeader header;
    bool have_descr = false, have_order = false, have_shape = false;
    take('{');
    while (!next_is('}')) {
      const std::string key = string_literal("a key");
      take(':');
      if (key == "descr" && !have_descr) {
        have_descr = true;
        read_dtype(header);
      } else if (key == "fortran_order" && !have_order) {
        have_order = true;
        header.fortran_order = boolean();
      } else if (key == "shape" && !have_shape) {
        have_shape = true;
        header.shape = shape();
      } else {
        fail(where_, "malformed .npy header: found the key " + printable(key) +
                         ", expected 'descr', 'fortran_order' and 'shape', once each");
      }
      if (!next_is('}')) take(',');
    }
    take('}');
    skip_space();
    if (at_ != text_.size()) malformed("the end of the header");
    if (!have_descr || !have_order || !have_shape) {
      fail(where_, "malformed .npy header: expected the keys 'descr', 'fortran_order' and 'shape'");
    }
    return header;
  }

 private:
  [[noreturn]] void malformed(const std::string& expected) const {
    fail(where_, "malformed .npy header: found " +
                     (at_ < text_.size() ? printable(text_.substr(at_)) : std::string("its end")) + ", expected " +
                     expected);
  }
  void skip_space() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_]))) ++at_;
  }
  bool next_is(char c) {
    skip_space();
    return at_ < text_.size() && text_[at_] == c;
  }
  void take(char c) {
    if (!next_is(c)) malformed(std::string("'") + c + "'");
    ++at_;
  }
  bool take_word(std::string_view word) {
    skip_space();
    if (!text_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }

  std::string string_literal(const char* what) {
    skip_space();
    if (at_ >= text_.size() || (text_[at_] != '\'' && text_[at_] != '"')) malformed(what);
    const std::size_t end = text_.find(text_[at_], at_ + 1);
    if (end == std::string_view::npos) malformed("a closed string");
    std::string value(text_.substr(at_ + 1, end - at_ - 1));
    at_ = end + 1;
    return value;
  }

  bool boolean() {
    if (take_word("True")) return true;
    if (take_word("False")) return false;
    malformed("True or False");
  }

  void read_dtype(NpyHeader& header) {
    if (next_is('[')) fail(where_, "found a structured dtype, expected plain numbers: save each field on its own");
    const std::string dtype = string_literal("a dtype string");
    header.dtype = dtype;
    if (dtype.find('O') != std::string::npos) {
      fail(where_,
           "found dtype 'object' (pickled Python objects, which are never loaded), expected numbers: open the file "
           "with numpy.load(..., allow_pickle=True) and save the array again after array.astype('float32') or 'int64'");
    }
    std::size_t at = 0;
    char order = '|';
    if (!dtype.empty() && std::strchr("<>=|", dtype[0])) order = dtype[at++];
    const std::string code = dtype.substr(at);
    constexpr std::string_view known[] = {"b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "?"};
    if (std::find(std::begin(known), std::end(known), code) == std::end(known)) {
      fail(where_, "found dtype " + printable(dtype) + ", expected bool, i1–i8, u1–u8, f2, f4 or f8");
    }
    header.kind = code == "?" ? 'b' : code[0];
    header.itemsize = code == "?" ? 1 : static_cast<std::size_t>(code[1] - '0');
    if (order == '|' && header.itemsize > 1) {
      fail(where_, "found dtype " + printable(dtype) + " without a byte order, expected '<' or '>'");
    }
    header.big_endian = order == '>' || (order == '=' && std::endian::native == std::endian::big);
  }

  std::vector<std::int64_t> shape() {
    std::vector<std::int64_t> extents;
    take('(');
    while (!next_is(')')) {
      extents.push_back(extent());
      if (extents.size() > 2) fail(where_, "found more than 2 dimensions, expected at most 2");
      if (!next_is(')')) take(',');
    }
    take(')');
    return extents;
  }

  std::int64_t extent() {
    skip_space();
    std::int64_t value = 0;
    const std::size_t start = at_;
    while (at_ < text_.size() && std::isdigit(static_cast<unsigned char>(text_[at_]))) {
      value = value * 10 + (text_[at_++] - '0');
      if (value > max_extent) {
        fail(where_, "absurd shape: found an extent beyond 2^48, expected one that fits this machine");
      }
    }
    if (at_ == start) malformed("a non-negative extent");
    if (at_ < text_.size() && text_[at_] == 'L') ++at_;  // long integers of Python 2
    return value;
  }

  std::string_view text_;
  const std::string& where_;
  std::size_t at_ = 0;
};

// Version and the bytes that hold the length of the dict; 0 bytes when this is no .npy.
struct Prefix {
  int major = 0;
  std::size_t dict_offset = 0;
  std::size_t dict_bytes = 0;
};

Prefix parse_prefix(std::span<const std::byte> bytes, const std::string& where) {
  const auto byte_at = [&](std::size_t i) { return std::to_integer<std::size_t>(bytes[i]); };
  if (bytes.size() < 6 || std::memcmp(bytes.data(), "\x93NUMPY", 6) != 0) {
    fail(where, "found no .npy header, expected bytes that begin with \\x93NUMPY");
  }
  if (bytes.size() < npy_prefix_bytes) {
    fail(where, "truncated .npy header: found " + std::to_string(bytes.size()) + " bytes");
  }
  Prefix prefix;
  prefix.major = static_cast<int>(byte_at(6));
  if (prefix.major < 1 || prefix.major > 3 || byte_at(7) != 0) {
    fail(where, "found .npy version " + std::to_string(byte_at(6)) + "." + std::to_string(byte_at(7)) +
                    ", expected 1.0, 2.0 or 3.0");
  }
  if (prefix.major == 1) {
    prefix.dict_offset = 10;
    prefix.dict_bytes = byte_at(8) | byte_at(9) << 8;
  } else {
    prefix.dict_offset = 12;
    prefix.dict_bytes = byte_at(8) | byte_at(9) << 8 | byte_at(10) << 16 | byte_at(11) << 24;
  }
  if (prefix.dict_bytes > max_header_bytes) {
    fail(where, "absurd .npy header: found a length of " + std::to_string(prefix.dict_bytes) +
                    " bytes, expected at most " + std::to_string(max_header_bytes));
  }
  return prefix;
}

}  // namespace

std::uint64_t NpyHeader::elements() const {
  std::uint64_t count = 1;
  for (const std::int64_t extent : shape) count *= static_cast<std::uint64_t>(extent);
  return count;
}

std::uint64_t NpyHeader::total_bytes() const { return data_offset + elements() * itemsize; }

std::string NpyHeader::shape_text() const {
  std::string text = "(";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i > 0 ? ", " : "") + std::to_string(shape[i]);
  return text + (shape.size() == 1 ? ",)" : ")");
}

std::size_t npy_header_bytes(std::span<const std::byte> prefix, const std::string& where) {
  const Prefix parsed = parse_prefix(prefix, where);
  return parsed.dict_offset + parsed.dict_bytes;
}

NpyHeader parse_npy_header(std::span<const std::byte> head, const std::string& where) {
  const Prefix prefix = parse_prefix(head, where);
  const std::size_t end = prefix.dict_offset + prefix.dict_bytes;
  if (head.size() < end) {
    fail(where,
         "truncated .npy header: found " + std::to_string(head.size()) + " bytes, expected " + std::to_string(end));
  }
  const std::string_view text(reinterpret_cast<const char*>(head.data()) + prefix.dict_offset, prefix.dict_bytes);
  NpyHeader header = HeaderParser(text, where).parse();
  header.data_offset = end;
  std::uint64_t bytes = header.itemsize;
  for (const std::int64_t extent : header.shape) {
    if (__builtin_mul_overflow(bytes, static_cast<std::uint64_t>(extent), &bytes) || bytes > std::uint64_t{1} << 60) {
      fail(where, "absurd shape: found " + header.shape_text() + " of " + header.dtype + ", more than 2^60 bytes");
    }
  }
  return header;
}

}  // namespace gamlp
