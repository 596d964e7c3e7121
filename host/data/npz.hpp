// Archives of arrays: numpy's .npz, a zip file of .npy members, stored or deflated.
//
// Nothing is allocated for a member before its declared size has been found to equal its header plus shape × item
// size, to be possible for its compressed size, and to fit the limit. Checksums are verified. Members that nobody
// asks for are never parsed (gnn-benchmark files hold pickled ones). Every failure is a DataError.
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
  // Uncompressed bytes that one reader may unpack in all; the machine's physical memory is a limit as well.
  std::uint64_t total_bytes = std::uint64_t{64} << 30;
};

class NpzReader {
 public:
  explicit NpzReader(const std::filesystem::path& path, const NpzLimits& limits = {});
  // From memory; `bytes` must outlive the reader, `name` stands for the file in messages.
  NpzReader(std::span<const std::byte> bytes, std::string name, const NpzLimits& limits = {});
  ~NpzReader();
  NpzReader(const NpzReader&) = delete;
  NpzReader& operator=(const NpzReader&) = delete;

  const std::string& name() const { return name_; }
  std::vector<std::string> keys() const;  // members ending in .npy, without that ending
  bool contains(const std::string& key) const;
  // Throws when the member is missing (the message lists those there are), malformed, or too large.
  NpyArray read(const std::string& key);

 private:
  void check_members(std::uint64_t archive_bytes);

  std::string name_;
  std::uint64_t budget_;  // bytes that may still be unpacked
  zip* archive_ = nullptr;
  std::vector<std::string> members_;
};

enum class NpzCompression { stored, deflated };

// A .npz from at least one (key, .npy bytes) pair, the same bytes on every run.
std::string npz_bytes(const std::vector<std::pair<std::string, std::string>>& members,
                      NpzCompression compression = NpzCompression::deflated);

// The same, written atomically (IoError on failure).
void write_npz(const std::filesystem::path& path, const std::vector<std::pair<std::string, std::string>>& members,
               NpzCompression compression = NpzCompression::deflated);

}  // namespace gamlp
