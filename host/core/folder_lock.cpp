#include "host/core/folder_lock.hpp"

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <fstream>
#include <iterator>
#include <linux/magic.h>
#include <nlohmann/json.hpp>
#include <sstream>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <thread>

#include "host/core/error.hpp"

namespace gamlp {
namespace fs = std::filesystem;
namespace {

std::string this_host() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "unknown";
}

// "boot id/start in clock ticks"; empty when there is no such process.
std::string birth_of(std::int64_t process) {
  std::ifstream stat("/proc/" + std::to_string(process) + "/stat"), boot("/proc/sys/kernel/random/boot_id");
  std::string text((std::istreambuf_iterator<char>(stat)), {}), id;
  boot >> id;
  const std::size_t name_end = text.rfind(')');  // the name before may hold anything
  if (name_end == std::string::npos) return "";
  std::istringstream fields(text.substr(name_end + 1));
  std::string field;
  for (int i = 3; i <= 22; ++i) fields >> field;  // proc(5): starttime is the 22nd
  return id + "/" + field;
}

LockHolder this_process() {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  std::array<char, 32> date{};
  ::localtime_r(&now, &local);
  std::strftime(date.data(), date.size(), "%F %T", &local);
  return {this_host(), ::getpid(), birth_of(::getpid()), date.data()};
}

std::string written(const LockHolder& holder) {
  const nlohmann::ordered_json json = {
      {"host", holder.host}, {"process", holder.process}, {"birth", holder.birth}, {"since", holder.since}};
  return json.dump() + "\n";
}

std::string content_of(int fd) {
  std::array<char, 4096> buffer{};
  const ssize_t got = ::pread(fd, buffer.data(), buffer.size(), 0);
  return {buffer.data(), static_cast<std::size_t>(got > 0 ? got : 0)};
}

std::optional<LockHolder> parsed(const std::string& content) {
  const nlohmann::json json = nlohmann::json::parse(content, nullptr, false);
  try {
    return LockHolder{json.at("host"), json.at("process"), json.at("birth"), json.at("since")};
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;  // nothing yet, or not ours
  }
}

// Whether flock() on this file holds for everybody who can open it.
bool kernel_knows_all(int fd) {
  constexpr long kZfs = 0x2fc12fc1;
  struct statfs info {};
  if (::fstatfs(fd, &info) != 0) return false;
  const auto type = static_cast<long>(info.f_type);
  for (const long local : {long{EXT4_SUPER_MAGIC}, long{BTRFS_SUPER_MAGIC}, long{TMPFS_MAGIC},
                           long{OVERLAYFS_SUPER_MAGIC}, long{F2FS_SUPER_MAGIC}, long{XFS_SUPER_MAGIC}, kZfs}) {
    if (type == local) return true;
  }
  return false;
}

bool is_still(int fd, const fs::path& file) {
  struct stat open {
  }, named{};
  return ::fstat(fd, &open) == 0 && ::stat(file.c_str(), &named) == 0 && open.st_ino == named.st_ino &&
         open.st_dev == named.st_dev;
}

enum class Answer { granted, refused, does_not_know };

Answer ask_kernel(int fd, int operation) {
  if (::flock(fd, operation | LOCK_NB) == 0) return kernel_knows_all(fd) ? Answer::granted : Answer::does_not_know;
  return errno == EWOULDBLOCK ? Answer::refused : Answer::does_not_know;
}

// lock_holder() of another process may have it for a moment.
Answer ask_kernel_patiently(int fd) {
  Answer answer = ask_kernel(fd, LOCK_EX);
  for (int i = 0; i < 10 && answer == Answer::refused; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    answer = ask_kernel(fd, LOCK_EX);
  }
  return answer;
}

// What there is to go by where the kernel does not know.
bool may_hold(const std::optional<LockHolder>& named) { return named && (!named->is_here() || named->runs()); }

}  // namespace

std::string LockHolder::text() const {
  return "process " + std::to_string(process) + " on " + host + ", since " + since;
}

bool LockHolder::is_here() const { return host == this_host(); }

bool LockHolder::runs() const { return is_here() && !birth.empty() && birth_of(process) == birth; }

FolderLock::FolderLock(const fs::path& folder, const std::string& what, Held held, Kernel kernel)
    : file_(folder / "lock"), held_(held) {
  const std::string name = file_.string();
  const auto refuse = [&](const std::optional<LockHolder>& holder, const std::string& more) {
    throw IoError(folder.string() + ": " + what + " works in this folder" +
                  (held == Held::by_descendants_too ? ", or one of its runs does" : "") +
                  (holder ? " (" + holder->text() + ")" : "") + more);
  };
  const int flags = O_RDWR | O_CREAT | (held == Held::by_this_process ? O_CLOEXEC : 0);
  for (;;) {
    descriptor_ = FileDescriptor(::open(file_.c_str(), flags, 0666));
    if (!descriptor_.is_open()) throw IoError(name + ": cannot open: " + std::strerror(errno));
    Answer answer = ask_kernel_patiently(descriptor_.get());
    if (kernel == Kernel::does_not_know) answer = Answer::does_not_know;
    const std::optional<LockHolder> named = parsed(content_of(descriptor_.get()));
    if (answer == Answer::refused) refuse(named, "");
    if (!is_still(descriptor_.get(), file_)) continue;  // its holder has just removed it
    if (answer == Answer::does_not_know && may_hold(named)) {
      refuse(named,
             named->runs() ? "" : "; this host cannot tell whether it still runs: if it does not, remove " + name);
    }
    if (named) taken_over_ = named;
    break;
  }
  const std::string text = written(this_process());
  if (::ftruncate(descriptor_.get(), 0) != 0 || !write_all(descriptor_.get(), text)) {
    const int why = errno;
    ::unlink(file_.c_str());
    throw IoError(name + ": cannot write: " + std::strerror(why));
  }
}

FolderLock::~FolderLock() {
  if (held_ == Held::by_descendants_too) {  // some may live on: the file stays theirs, without a name
    (void)!::ftruncate(descriptor_.get(), 0);
  } else if (is_still(descriptor_.get(), file_)) {
    ::unlink(file_.c_str());
  }
}

std::optional<LockHolder> lock_holder(const fs::path& folder) {
  const FileDescriptor file(::open((folder / "lock").c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.is_open()) return std::nullopt;
  const std::optional<LockHolder> named = parsed(content_of(file.get()));
  // Shared, and only for a moment: asking twice at a time is no obstacle, and hardly one for who locks just now.
  const Answer answer = ask_kernel(file.get(), LOCK_SH);
  if (answer == Answer::refused) return named ? named : LockHolder{this_host(), 0, "", "now"};
  return answer == Answer::does_not_know && may_hold(named) ? named : std::nullopt;
}

}  // namespace gamlp
