// Files for the tests of host/data: .npy headers written by hand, small valid datasets to damage, a scratch folder.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <unistd.h>
#include <vector>

#include "host/core/error.hpp"
#include "host/data/load.hpp"
#include "host/data/npz.hpp"
#include "tests/support/catch.hpp"

namespace gamlp::test {

inline std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

// A .npy with any header text, valid or not.
inline std::string npy_with_header(const std::string& dict, const std::string& data, int major = 1) {
  std::string out("\x93NUMPY", 6);
  out += static_cast<char>(major);
  out += '\0';
  for (int i = 0; i < (major == 1 ? 2 : 4); ++i) out += static_cast<char>(dict.size() >> (8 * i) & 255);
  return out + dict + data;
}

inline std::string npy_dict(const std::string& descr, bool fortran, const std::string& shape) {
  return "{'descr': '" + descr + "', 'fortran_order': " + (fortran ? "True" : "False") + ", 'shape': " + shape +
         ", }\n";
}

inline std::string npy_of(const std::string& descr, const std::string& shape, const std::string& data) {
  return npy_with_header(npy_dict(descr, false, shape), data);
}

// The bytes of values in one byte order.
template <class T>
std::string raw(const std::vector<T>& values, bool big_endian = false) {
  std::string out;
  for (const T& value : values) {
    std::string one(reinterpret_cast<const char*>(&value), sizeof(T));
    if (big_endian) std::reverse(one.begin(), one.end());
    out += one;
  }
  return out;
}

using MemberMap = std::map<std::string, std::string>;

inline std::string zipped(const MemberMap& members, NpzCompression compression = NpzCompression::deflated) {
  return npz_bytes({members.begin(), members.end()}, compression);
}

// Four nodes in a path 0–1–2–3, three features, two classes, one node in each mask.
inline MemberMap small_dataset() {
  return {
      {"adj_data", npy_bytes(std::vector<float>(6, 1.0f))},
      {"adj_indices", npy_bytes(std::vector<std::int32_t>{1, 0, 2, 1, 3, 2})},
      {"adj_indptr", npy_bytes(std::vector<std::int64_t>{0, 1, 3, 5, 6})},
      {"adj_shape", npy_bytes(std::vector<std::int64_t>{4, 4})},
      {"attr_data", npy_bytes(std::vector<float>{1.0f, 2.0f, -3.0f})},
      {"attr_indices", npy_bytes(std::vector<std::int32_t>{0, 2, 1})},
      {"attr_indptr", npy_bytes(std::vector<std::int64_t>{0, 2, 2, 3, 3})},
      {"attr_shape", npy_bytes(std::vector<std::int64_t>{4, 3})},
      {"labels", npy_bytes(std::vector<std::int64_t>{0, 1, 1, 0})},
      {"train_mask", npy_bytes(std::vector<std::uint8_t>{1, 0, 0, 0})},
      {"val_mask", npy_bytes(std::vector<std::uint8_t>{0, 1, 0, 0})},
      {"test_mask", npy_bytes(std::vector<std::uint8_t>{0, 0, 1, 0})},
  };
}

inline Dataset parse(const MemberMap& members) {
  const std::string bytes = zipped(members);
  return parse_npz_dataset(bytes_of(bytes), "bad.npz");
}

// What `action` complains about; empty when it does not throw a DataError.
inline std::string data_error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const DataError& error) {
    return error.what();
  }
  return {};
}

// A test that fails shows both texts.
inline bool contains(const std::string& message, const std::string& part) {
  if (!part.empty() && message.find(part) != std::string::npos) return true;
  UNSCOPED_INFO("found: " << message << "\nexpected to contain: " << part);
  return false;
}

class ScratchFolder {
 public:
  ScratchFolder() {
    static int count = 0;
    path_ = std::filesystem::temp_directory_path() /
            ("gamlp-test-" + std::to_string(::getpid()) + "-" + std::to_string(count++));
    std::filesystem::create_directories(path_);
  }
  ~ScratchFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path write(const std::string& name, const std::string& content) const {
    std::ofstream(path_ / name, std::ios::binary) << content;
    return path_ / name;
  }

 private:
  std::filesystem::path path_;
};

}  // namespace gamlp::test
