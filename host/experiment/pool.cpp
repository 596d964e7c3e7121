#include "host/experiment/pool.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/core/clock.hpp"
#include "host/core/error.hpp"
#include "host/core/threads.hpp"

namespace gamlp {
namespace {

// What a child gets of the outside.
class FileActions {
 public:
  explicit FileActions(const std::filesystem::path& log) {
    ::posix_spawn_file_actions_init(&actions_);
    ::posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_addopen(&actions_, STDOUT_FILENO, log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0666);
    ::posix_spawn_file_actions_adddup2(&actions_, STDOUT_FILENO, STDERR_FILENO);
  }
  ~FileActions() { ::posix_spawn_file_actions_destroy(&actions_); }
  FileActions(const FileActions&) = delete;
  FileActions& operator=(const FileActions&) = delete;
  const posix_spawn_file_actions_t* get() const { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_{};
};

// A process group of its own: an interrupt at the terminal is passed on once, by signal().
class OwnGroup {
 public:
  OwnGroup() {
    ::posix_spawnattr_init(&attributes_);
    ::posix_spawnattr_setpgroup(&attributes_, 0);
    ::posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETPGROUP);
  }
  ~OwnGroup() { ::posix_spawnattr_destroy(&attributes_); }
  OwnGroup(const OwnGroup&) = delete;
  OwnGroup& operator=(const OwnGroup&) = delete;
  const posix_spawnattr_t* get() const { return &attributes_; }

 private:
  posix_spawnattr_t attributes_{};
};

}  // namespace

Pool::~Pool() {
  constexpr double kPatience = 30;  // seconds, for checkpoints
  signal(SIGTERM);
  for (const double start = seconds_now(); !running_.empty() && seconds_now() - start < kPatience;) {
    (void)ended();
    ::usleep(10'000);
  }
  signal(SIGKILL);
  for (const Running& one : running_) ::waitpid(one.pid, nullptr, 0);
}

bool Pool::fits(const PoolTask& task) const {
  if (running_.empty()) return true;
  int cores = task.cores;
  double memory = task.memory;
  for (const Running& one : running_) cores += one.cores, memory += one.memory;
  return cores <= limits_.cores && memory <= limits_.memory;
}

void Pool::start(std::size_t index, const PoolTask& task) {
  std::vector<std::string> words = {program_.string()};
  words.insert(words.end(), task.arguments.begin(), task.arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  std::string parent = std::string(kParentVariable) + "=" + std::to_string(::getpid());
  const std::string name = std::string(kThreadsVariable) + "=";
  std::string threads = name + std::to_string(task.threads);
  std::vector<char*> variables = {parent.data()};
  if (task.threads > 0) variables.push_back(threads.data());
  for (char** one = environ; *one != nullptr; ++one) {
    if (!(task.threads > 0 && std::string_view(*one).starts_with(name))) variables.push_back(*one);
  }
  variables.push_back(nullptr);
  const FileActions actions(task.log);
  const OwnGroup group;
  pid_t pid = 0;
  const int error = ::posix_spawn(&pid, program_.c_str(), actions.get(), group.get(), argv.data(), variables.data());
  if (error != 0) {
    throw IoError(program_.string() + ": cannot be started with its output in " + task.log.string() + ": " +
                  std::strerror(error));
  }
  running_.push_back({index, pid, task.cores, task.memory, seconds_now()});
}

std::vector<PoolEnd> Pool::ended() {
  std::vector<PoolEnd> all;
  std::erase_if(running_, [&](const Running& one) {
    int status = 0;
    const pid_t pid = ::waitpid(one.pid, &status, WNOHANG);
    if (pid == 0 || (pid < 0 && errno == EINTR)) return false;
    const int code = pid < 0 ? 1 : WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    all.push_back({one.index, code, seconds_now() - one.start});
    return true;
  });
  return all;
}

void Pool::signal(int number) const {
  for (const Running& one : running_) ::kill(one.pid, number);
}

double available_memory() {
  double available = static_cast<double>(::sysconf(_SC_PHYS_PAGES)) * static_cast<double>(::sysconf(_SC_PAGESIZE));
  std::ifstream file("/proc/meminfo");
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("MemAvailable:")) continue;
    available = std::strtod(line.c_str() + std::strlen("MemAvailable:"), nullptr) * 1024.0;
  }
  // What a container leaves of it.
  double most = 0, used = 0;
  std::ifstream limit("/sys/fs/cgroup/memory.max"), current("/sys/fs/cgroup/memory.current");
  if (limit >> most && current >> used && most > used) available = std::min(available, most - used);
  return available;
}

}  // namespace gamlp
