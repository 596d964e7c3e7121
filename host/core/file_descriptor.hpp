// An open file that closes itself when its FileDescriptor is destroyed.
#pragma once

#include <string_view>
#include <unistd.h>
#include <utility>

namespace gamlp {

class FileDescriptor {
 public:
  explicit FileDescriptor(int fd = -1) : fd_(fd) {}
  ~FileDescriptor() { (void)close(); }
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    if (this != &other) (void)close(), fd_ = std::exchange(other.fd_, -1);
    return *this;
  }
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;

  int get() const { return fd_; }
  bool is_open() const { return fd_ >= 0; }
  // Returns 0, or −1 and sets errno. Some file systems say only here that what was written has no room.
  int close() { return fd_ < 0 ? 0 : ::close(std::exchange(fd_, -1)); }

 private:
  int fd_;
};

// Writes all of `bytes`, however many calls that takes. Returns false, with errno, when the system refuses the rest.
bool write_all(int fd, std::string_view bytes);

}  // namespace gamlp
