// Makes sure that one process at a time works in a folder. That process holds FOLDER/lock, a file that says who it is.
//
// Two things keep others out: the kernel's lock on the file (flock), and what the file says. The kernel's lock ends
// with the process, however that ends. It holds between all processes of a machine, also those in containers. Only on
// some file systems it holds between hosts. Where it may not, what the file says counts. A process of this host that
// has ended is no obstacle. A process of another host is one, because nobody here can ask whether it still runs.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "host/core/file_descriptor.hpp"

namespace gamlp {

// The process that a lock file names.
struct LockHolder {
  std::string host;
  std::int64_t process = 0;
  std::string birth;  // boot of the host and start of the process, as another process may have the number by now
  std::string since;  // for people: local date and time

  std::string text() const;  // "process 4711 on hosta, since 2030-01-31 12:00:00"
  bool is_here() const;      // on this host
  bool runs() const;         // is_here(), and has not ended
};

class FolderLock {
 public:
  // by_descendants_too: the lock is also held for as long as any process lives that the holder has started.
  enum class Held { by_this_process, by_descendants_too };

  // Whether the kernel's lock is trusted to keep all processes out. by_file_system: the kind of file system decides.
  // does_not_know: never, as where other hosts do not see the lock; then what the file says counts.
  enum class Kernel { by_file_system, does_not_know };

  // Takes the lock. Throws an IoError when another process has it or may have it, and names that process. `what` is who
  // that would be, for instance "another gamlp train or resume".
  FolderLock(const std::filesystem::path& folder, const std::string& what, Held held = Held::by_this_process,
             Kernel kernel = Kernel::by_file_system);
  ~FolderLock();  // removes the file; by_descendants_too: leaves it, without a name
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

  // Who had this lock before, where that process was killed or crashed, and so did not give it back.
  const std::optional<LockHolder>& taken_over() const { return taken_over_; }

 private:
  std::filesystem::path file_;
  Held held_;
  FileDescriptor descriptor_;
  std::optional<LockHolder> taken_over_;
};

// Returns who works in the folder now, as far as this host can tell. That is nobody where there is no lock, or where
// the lock is that of a process that has ended.
std::optional<LockHolder> lock_holder(const std::filesystem::path& folder);

}  // namespace gamlp
