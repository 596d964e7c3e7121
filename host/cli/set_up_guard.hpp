// Handles signals while a command sets up. Reading a dataset, propagating or factorising may take minutes, and looks at
// no flag. There is nothing to save yet, so the process ends at once, with the status of an interrupted run.
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
  // A thread of its own waits until stop_flag() is set. Then it runs `abandon`, which removes what is half made and
  // returns what to tell the user, and ends the process. The caller has called install_signal_handlers() before.
  SetUpGuard(ProcessGroup& group, std::function<std::string()> abandon);
  ~SetUpGuard() { done(); }
  SetUpGuard(const SetUpGuard&) = delete;
  SetUpGuard& operator=(const SetUpGuard&) = delete;

  // Ends the guard. From here on the caller looks at the flag itself.
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
