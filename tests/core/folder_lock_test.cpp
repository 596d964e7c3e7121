#include "host/core/folder_lock.hpp"

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sys/wait.h>
#include <unistd.h>

#include "host/core/error.hpp"
#include "host/core/files.hpp"
#include "tests/support/catch.hpp"

using namespace gamlp;
namespace fs = std::filesystem;

namespace {

struct LockFolder {
  fs::path path = fs::temp_directory_path() / ("gamlp_lock_test_" + std::to_string(::getpid()));
  LockFolder() { fs::create_directories(path); }
  ~LockFolder() {
    std::error_code error;
    fs::remove_all(path, error);
  }
};

std::string refusal(const fs::path& folder, FolderLock::Kernel kernel = FolderLock::Kernel::by_file_system) {
  try {
    const FolderLock lock(folder, "another program", FolderLock::Held::by_this_process, kernel);
  } catch (const IoError& error) {
    return error.what();
  }
  return "";
}

bool says(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// A process that locks the folder, says so by a byte, and waits to be killed.
class Locker {
 public:
  explicit Locker(const fs::path& folder) {
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    pid_ = ::fork();
    if (pid_ == 0) {
      const FolderLock lock(folder, "another program");
      if (::write(ends[1], "x", 1) == 1) ::pause();
      ::_exit(0);
    }
    char byte = 0;
    REQUIRE(::read(ends[0], &byte, 1) == 1);
    ::close(ends[0]), ::close(ends[1]);
  }
  void kill() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }
  ~Locker() { kill(); }
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = 0;
};

void name_in_lock(const fs::path& folder, const std::string& key, const nlohmann::json& value) {
  nlohmann::json json = nlohmann::json::parse(read_file(folder / "lock"));
  json[key] = value;
  write_file_atomic(folder / "lock", json.dump());
}

}  // namespace

TEST_CASE("a folder is locked for one at a time, and the lock leaves nothing behind") {
  const LockFolder folder;
  CHECK_FALSE(lock_holder(folder.path));
  {
    const FolderLock lock(folder.path, "another program");
    CHECK_FALSE(lock.taken_over());
    const std::string text = refusal(folder.path);
    INFO(text);
    CHECK(says(text, folder.path.string() + ": another program works in this folder (process " +
                         std::to_string(::getpid()) + " on "));
    REQUIRE(lock_holder(folder.path));
    CHECK(lock_holder(folder.path)->process == ::getpid());
    CHECK(lock_holder(folder.path)->runs());
  }
  CHECK(fs::is_empty(folder.path));
  CHECK(refusal(folder.path).empty());
}

TEST_CASE("the lock of another process holds until it ends, however it does, and is taken over then") {
  for (const auto kernel : {FolderLock::Kernel::by_file_system, FolderLock::Kernel::does_not_know}) {
    const LockFolder folder;
    Locker other(folder.path);
    const pid_t pid = other.pid();
    CHECK(says(refusal(folder.path, kernel), "(process " + std::to_string(pid) + " on "));
    other.kill();
    CHECK_FALSE(lock_holder(folder.path));
    const FolderLock lock(folder.path, "another program", FolderLock::Held::by_this_process, kernel);
    REQUIRE(lock.taken_over());
    CHECK(lock.taken_over()->process == pid);
    CHECK(lock_holder(folder.path)->process == ::getpid());
  }
}

TEST_CASE("a process that has the number of one that has ended is not taken for it") {
  const LockFolder folder;
  Locker other(folder.path);
  other.kill();
  name_in_lock(folder.path, "process", ::getpid());  // lives, but began at another time
  CHECK(refusal(folder.path, FolderLock::Kernel::does_not_know).empty());
}

TEST_CASE("where the kernel does not know of other hosts, what the file says counts") {
  const LockFolder folder;
  Locker other(folder.path);
  other.kill();
  name_in_lock(folder.path, "host", "another-host");
  const std::string text = refusal(folder.path, FolderLock::Kernel::does_not_know);
  INFO(text);
  CHECK(says(text, "on another-host, since "));
  CHECK(says(text,
             "this host cannot tell whether it still runs: if it does not, remove " + (folder.path / "lock").string()));
  CHECK(fs::exists(folder.path / "lock"));
  fs::remove(folder.path / "lock");
  CHECK(refusal(folder.path, FolderLock::Kernel::does_not_know).empty());
}

TEST_CASE("a lock that descendants have, too, outlives its holder") {
  const LockFolder folder;
  pid_t child = 0;
  {
    const FolderLock lock(folder.path, "another program", FolderLock::Held::by_descendants_too);
    child = ::fork();
    if (child == 0) {
      ::pause();
      ::_exit(0);
    }
  }
  CHECK(says(refusal(folder.path), "another program works in this folder"));
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  CHECK(refusal(folder.path).empty());
}

TEST_CASE("a folder that cannot be locked is an IoError, and a damaged lock is no obstacle") {
  const LockFolder folder;
  CHECK(says(refusal(folder.path / "none"), "lock: cannot open: No such file"));
  for (const char* content : {"", "{", "[]", "{\"host\": 3}", "another program's own"}) {
    write_file_atomic(folder.path / "lock", content);
    CHECK_FALSE(lock_holder(folder.path));
    CHECK(refusal(folder.path).empty());
  }
}
