#include "host/cpu/host_file.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <new>
#include <string>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "host/core/error.hpp"
#include "host/core/memory.hpp"

namespace gamlp::cpu {
namespace {

IoError failed(const std::filesystem::path& folder, const std::string& what, int error) {
  const bool of_folder = error != EMFILE && error != ENFILE;
  return IoError(folder.string() + ": " + what + ": " + std::strerror(error) +
                 (of_folder ? " (the folder for temporary files: set TMPDIR to another)"
                            : " (node_memory keeps a file for each tensor: raise the limit, ulimit -n)"));
}

// To what the system allows this process. Returns false where that is not more.
bool raise_open_files() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= limit.rlim_max) return false;
  limit.rlim_cur = limit.rlim_max;
  return ::setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

}  // namespace

std::filesystem::path host_file_folder() {
  std::error_code error;
  std::filesystem::path folder = std::filesystem::temp_directory_path(error);
  if (!error) return folder;
  const char* set = std::getenv("TMPDIR");
  throw IoError("TMPDIR: found \"" + std::string(set != nullptr ? set : "") +
                "\", expected a folder for temporary files");
}

HostFile::HostFile(std::size_t bytes) : folder_(host_file_folder()), bytes_(bytes) {
  std::string name;
  const auto open = [&] {
    name = (folder_ / "gamlp.XXXXXX").string();
    file_ = FileDescriptor(::mkostemp(name.data(), O_CLOEXEC));
    return file_.is_open();
  };
  // Many layers have many files: more than a process may open at first.
  if (!open() && !(errno == EMFILE && raise_open_files() && open()))
    throw failed(folder_, "cannot create a file", errno);
  ::unlink(name.c_str());
  if (bytes == 0) return;
  // Room is taken now, so that no later write finds the disk full.
  int error = EINTR;
  while (error == EINTR) error = ::posix_fallocate(file_.get(), 0, static_cast<off_t>(bytes));
  if (error != 0) {
    throw failed(folder_, "no room for " + human_bytes(static_cast<double>(bytes)), error);
  }
  void* place = ::mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (place == MAP_FAILED) throw AllocationFailure(bytes, "addresses of tensors in a file");
  data_ = static_cast<std::byte*>(place);
}

HostFile::~HostFile() {
  if (data_ != nullptr) ::munmap(data_, bytes_);
}

void HostFile::read(const std::byte* from, std::byte* to, std::size_t count) const {
  expects(holds(from) && count <= bytes_ - static_cast<std::size_t>(from - data_), "what is read is in the file");
  while (count > 0) {
    const ssize_t got = ::pread(file_.get(), to, count, from - data_);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) throw failed(folder_, "cannot read a temporary file", got < 0 ? errno : EIO);
    from += got, to += got, count -= static_cast<std::size_t>(got);
  }
}

void HostFile::write(const std::byte* from, std::byte* to, std::size_t count) const {
  expects(holds(to) && count <= bytes_ - static_cast<std::size_t>(to - data_), "what is written is in the file");
  while (count > 0) {
    const ssize_t put = ::pwrite(file_.get(), from, count, to - data_);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) throw failed(folder_, "cannot write a temporary file", put < 0 ? errno : EIO);
    from += put, to += put, count -= static_cast<std::size_t>(put);
  }
}

}  // namespace gamlp::cpu
