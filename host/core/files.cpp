#include "host/core/files.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <memory>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "host/core/error.hpp"
#include "host/core/file_descriptor.hpp"

namespace gamlp {
namespace {

constexpr const char* kTemporary = ".tmp.";

std::string reason() { return std::strerror(errno); }

}  // namespace

bool write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    // A full disk takes a part first, without an error: the reason is what the next call says.
    const ssize_t put = ::write(fd, bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(put));
  }
  return true;
}

std::string read_file(const std::filesystem::path& path, std::uintmax_t limit) {
  FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) throw DataError(path.string() + ": cannot open: " + reason());
  struct stat info {};
  if (::fstat(file.get(), &info) != 0) throw DataError(path.string() + ": cannot read: " + reason());
  if (!S_ISREG(info.st_mode)) throw DataError(path.string() + ": is not a regular file");
  if (static_cast<std::uintmax_t>(info.st_size) > limit) {
    throw DataError(path.string() + ": holds " + std::to_string(info.st_size) + " bytes, at most " +
                    std::to_string(limit) + " are expected");
  }
  std::string content(static_cast<std::size_t>(info.st_size), '\0');
  std::size_t done = 0;
  while (done < content.size()) {
    const ssize_t got = ::read(file.get(), content.data() + done, content.size() - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw DataError(path.string() + ": cannot read: " + reason());
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  content.resize(done);
  return content;
}

namespace {

void write_device(const std::filesystem::path& path, std::span<const std::string_view> parts) {
  FileDescriptor file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  bool written = file.is_open();
  for (const std::string_view part : parts) written = written && write_all(file.get(), part);
  if (!written || file.close() != 0) throw IoError(path.string() + ": cannot write: " + reason());
}

}  // namespace

bool is_device_file(const std::filesystem::path& path) {
  struct stat there {};
  return ::stat(path.c_str(), &there) == 0 && !S_ISREG(there.st_mode) && !S_ISDIR(there.st_mode);
}

void write_file_atomic(const std::filesystem::path& path, std::span<const std::string_view> parts) {
  if (is_device_file(path)) return write_device(path, parts);
  const std::string temporary = path.string() + kTemporary + std::to_string(::getpid());
  const auto fail = [&](const char* what) {
    const std::string why = reason();
    ::unlink(temporary.c_str());
    throw IoError(path.string() + ": " + what + ": " + why);
  };
  FileDescriptor file(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (file.get() < 0) fail("cannot create");
  for (const std::string_view part : parts) {
    if (!write_all(file.get(), part)) fail("cannot write");
  }
  if (::fsync(file.get()) != 0 && errno != EINVAL) fail("cannot flush to disk");
  if (file.close() != 0) fail("cannot close");
  if (::rename(temporary.c_str(), path.c_str()) != 0) fail("cannot rename into place");
}

void write_file_atomic(const std::filesystem::path& path, std::string_view content) {
  const std::array<std::string_view, 1> parts{content};
  write_file_atomic(path, parts);
}

void append_file(const std::filesystem::path& path, std::string_view bytes) {
  const auto fail = [&] { throw IoError(path.string() + ": cannot write: " + reason()); };
  FileDescriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  struct stat info {};
  if (!file.is_open() || ::fstat(file.get(), &info) != 0) fail();
  if (!write_all(file.get(), bytes)) {
    const int why = errno;
    if (S_ISREG(info.st_mode)) (void)::ftruncate(file.get(), info.st_size);  // gives room back: nothing to fail for
    errno = why;
    fail();
  }
  if (file.close() != 0) fail();
}

void flush_file(const std::filesystem::path& path) {
  FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.is_open() && errno == ENOENT) return;
  if (!file.is_open() || (::fsync(file.get()) != 0 && errno != EINVAL)) {
    throw IoError(path.string() + ": cannot flush to disk: " + reason());
  }
}

void remove_temporary_files(const std::filesystem::path& folder) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    const std::size_t at = name.rfind(kTemporary), digits = at + std::strlen(kTemporary);
    if (at == std::string::npos || digits == name.size()) continue;
    if (name.find_first_not_of("0123456789", digits) != std::string::npos) continue;
    std::filesystem::remove(entry.path(), error);
  }
}

void make_writable_folder(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) throw IoError(folder.string() + ": cannot create the folder: " + error.message());
  if (!std::filesystem::is_directory(folder, error)) throw IoError(folder.string() + ": is not a folder");
  const std::string probe = (folder / (".probe." + std::to_string(::getpid()))).string();
  FileDescriptor file(::open(probe.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (file.get() < 0) throw IoError(folder.string() + ": cannot write into the folder: " + reason());
  ::unlink(probe.c_str());
}

std::uint32_t crc32_of(std::span<const std::byte> bytes, std::uint32_t seed) {
  uLong crc = seed;
  const auto* data = reinterpret_cast<const Bytef*>(bytes.data());
  std::size_t left = bytes.size();
  while (left > 0) {  // zlib counts in 32 bits
    const uInt step = static_cast<uInt>(left < (1u << 30) ? left : (1u << 30));
    crc = ::crc32(crc, data, step);
    data += step;
    left -= step;
  }
  return static_cast<std::uint32_t>(crc);
}

}  // namespace gamlp
