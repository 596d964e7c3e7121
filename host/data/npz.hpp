// Reads and writes archives of arrays: numpy's .npz, which is a zip file of .npy members, stored or deflated.
//
// The reader allocates nothing for a member before it has checked the declared size. That size must equal the header
// plus shape × item size, be possible for the compressed size, and fit the limit. The reader verifies checksums. It
// never parses a member that nobody asks for (gnn-benchmark files hold pickled ones). Every reading failure is a
// DataError.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "host/data/npy.hpp"

struct zip;

namespace gamlp {

struct NpzLimits {
  // Uncompressed bytes that one reader may unpack in all. The machine's physical memory is a limit as well.
  std::uint64_t total_bytes = std::uint64_t{64} << 30;
};

class NpzReader {
 public:
  explicit NpzReader(const std::filesystem::path& path, const NpzLimits& limits = {});
  // Reads from memory. `bytes` must outlive the reader. `name` stands for the file in messages.
  NpzReader(std::span<const std::byte> bytes, std::string name, const NpzLimits& limits = {});
  ~NpzReader();
  NpzReader(const NpzReader&) = delete;
  NpzReader& operator=(const NpzReader&) = delete;

  const std::string& name() const { return name_; }
  std::vector<std::string> keys() const;  // members ending in .npy, without that ending
  bool contains(const std::string& key) const;
  // Throws a DataError when the member is missing (the message lists those there are), malformed, or too large.
  NpyArray read(const std::string& key);

 private:
  void check_members(std::uint64_t archive_bytes);

  std::string name_;
  std::uint64_t budget_;  // bytes that may still be unpacked
  zip* archive_ = nullptr;
  std::vector<std::string> members_;
};

enum class NpzCompression { stored, deflated };

// Returns the bytes of a .npz of at least one (key, .npy bytes) pair. They are the same on every run.
std::string npz_bytes(const std::vector<std::pair<std::string, std::string>>& members,
                      NpzCompression compression = NpzCompression::deflated);

// Writes the same to a file, atomically. Throws an IoError on failure.
void write_npz(const std::filesystem::path& path, const std::vector<std::pair<std::string, std::string>>& members,
               NpzCompression compression = NpzCompression::deflated);

}  // namespace gamlp
