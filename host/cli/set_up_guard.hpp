// Signals while a command sets up: reading a dataset, propagating or factorising may take minutes and looks at no flag.
// There is nothing to save yet, so the process ends at once, with the status of an interrupted run.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "host/dist/process_group.hpp"

namespace gamlp::cli {

class SetUpGuard {
 public:
  // Once stop_flag() is set: runs `abandon`, on a thread of its own, which removes what is half made and returns what
  // to tell the user; then ends the process. install_signal_handlers() was called before.
  SetUpGuard(ProcessGroup& group, std::function<std::string()> abandon);
  ~SetUpGuard() { done(); }
  SetUpGuard(const SetUpGuard&) = delete;
  SetUpGuard& operator=(const SetUpGuard&) = delete;

  // From here on the caller looks at the flag itself.
  void done();

 private:
  void watch();

  ProcessGroup& group_;
  std::function<std::string()> abandon_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool done_ = false;
  std::thread thread_;
};

}  // namespace gamlp::cli
