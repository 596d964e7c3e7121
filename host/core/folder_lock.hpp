// One process at a time works in a folder: it holds FOLDER/lock, which says who it is, for as long as it does.
//
// Two things keep others out. The kernel's lock on the file (flock) ends with the process, however that ends, and holds
// between all processes of a machine, containers too; between hosts only on some file systems. There what the file says
// counts: a process of this host that has ended is no obstacle, one of another host is, as nobody here can ask after
// it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "host/core/file_descriptor.hpp"

namespace gamlp {

// Who a lock file names.
struct LockHolder {
  std::string host;
  std::int64_t process = 0;
  std::string birth;  // boot of the host and start of the process: another process may have the number by now
  std::string since;  // for people: local date and time

  std::string text() const;  // "process 4711 on hosta, since 2030-01-31 12:00:00"
  bool is_here() const;      // on this host
  bool runs() const;         // is_here(), and has not ended
};

class FolderLock {
 public:
  // Descendants: while the processes that the holder starts live, it is held for them, too.
  enum class Held { by_this_process, by_descendants_too };

  // Whether the kernel's lock counts for all: as the file system says, or not at all, as where other hosts do not see
  // it.
  enum class Kernel { by_file_system, does_not_know };

  // Throws IoError when another process has the lock, naming it, or may have it. `what`: who that is, as "another gamlp
  // train or resume".
  FolderLock(const std::filesystem::path& folder, const std::string& what, Held held = Held::by_this_process,
             Kernel kernel = Kernel::by_file_system);
  ~FolderLock();  // removes the file
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

  // Whose lock this was before: a process that ended without giving it back, killed or by a crash.
  const std::optional<LockHolder>& taken_over() const { return taken_over_; }

 private:
  std::filesystem::path file_;
  Held held_;
  FileDescriptor descriptor_;
  std::optional<LockHolder> taken_over_;
};

// Who works in the folder now, as far as can be told from here: nobody where there is no lock, or an ended process's.
std::optional<LockHolder> lock_holder(const std::filesystem::path& folder);

}  // namespace gamlp
