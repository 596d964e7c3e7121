// Runs programs beside each other, as many as cores and memory allow.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <sys/types.h>
#include <vector>

namespace gamlp {

// Names the process that started a program, in that program's environment.
inline constexpr const char* kParentVariable = "GAMLP_PARENT";

struct PoolTask {
  std::vector<std::string> arguments;  // of this program
  std::filesystem::path log;           // receives standard output and error
  int cores = 1;
  int threads = 0;    // OMP_NUM_THREADS; 0: as it is here
  double memory = 0;  // bytes
};

struct PoolLimits {
  int cores = 1;
  double memory = 0;  // bytes
};

struct PoolEnd {
  std::size_t task = 0;  // index
  int status = 0;        // exit status; 128 + signal when one ended it
  double seconds = 0;
};

class Pool {
 public:
  // `program` is an executable file.
  Pool(std::filesystem::path program, PoolLimits limits) : program_(std::move(program)), limits_(limits) {}
  ~Pool();  // stops what still runs, after half a minute by force
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  // Whether there is room for the task. While nothing runs, there always is.
  bool fits(const PoolTask& task) const;
  // Starts the program. ended() will give `index` back. Throws IoError when it cannot be started.
  void start(std::size_t index, const PoolTask& task);
  // Returns the tasks that have ended since the last call. Does not wait.
  std::vector<PoolEnd> ended();
  std::size_t running() const { return running_.size(); }
  void signal(int number) const;  // to all that run

 private:
  struct Running {
    std::size_t index;
    pid_t pid;
    int cores;
    double memory, start;
  };
  std::filesystem::path program_;
  PoolLimits limits_;
  std::vector<Running> running_;
};

// Returns the bytes that programs may take now without others being swapped out.
double available_memory();

}  // namespace gamlp
