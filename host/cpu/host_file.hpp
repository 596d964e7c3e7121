// Memory for the tensors of a CPU worker that its share of the machine's memory has no room for (allocate_host() of
// host/device/device.hpp). It is a file without a name, which goes when the memory is released, in the folder for
// temporary files: that of the environment variable TMPDIR, else /tmp. Addresses of the memory only say where in the
// file a value is. No instruction may follow them: a copy stream reads and writes the file.
#pragma once

#include <cstddef>
#include <filesystem>

#include "host/core/file_descriptor.hpp"

namespace gamlp::cpu {

// The folder as above. Throws IoError where TMPDIR names none.
std::filesystem::path host_file_folder();

class HostFile {
 public:
  // Makes a file of `bytes` zeros, with room on the disk. Throws IoError that names the folder.
  explicit HostFile(std::size_t bytes);
  ~HostFile();
  HostFile(const HostFile&) = delete;
  HostFile& operator=(const HostFile&) = delete;

  std::byte* data() const { return data_; }
  std::size_t bytes() const { return bytes_; }
  bool holds(const std::byte* address) const { return address >= data_ && address < data_ + bytes_; }
  // Copy `count` bytes at the address `from`, or to it. Throw IoError.
  void read(const std::byte* from, std::byte* to, std::size_t count) const;
  void write(const std::byte* from, std::byte* to, std::size_t count) const;

 private:
  std::filesystem::path folder_;
  FileDescriptor file_;
  std::byte* data_ = nullptr;  // addresses that nothing lies at
  std::size_t bytes_;
};

}  // namespace gamlp::cpu
