#include "host/cli/set_up_guard.hpp"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "host/cli/commands.hpp"

namespace gamlp::cli {

SetUpGuard::SetUpGuard(ProcessGroup& group, std::function<std::string()> abandon)
    : group_(group), abandon_(std::move(abandon)), thread_([this] { watch(); }) {}

void SetUpGuard::done() {
  {
    const std::lock_guard lock(mutex_);  // held to the end of the process where a signal has come
    done_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void SetUpGuard::watch() {
  std::unique_lock lock(mutex_);
  while (!stop_flag().load()) {
    if (changed_.wait_for(lock, std::chrono::milliseconds(50), [this] { return done_; })) return;
  }
  if (done_) return;
  const std::string told = abandon_();
  if (group_.rank() == 0) std::fprintf(stderr, "gamlp: %s\n", told.c_str());
  group_.fail(ExitCode::interrupted, "a signal asked " + group_.describe(group_.rank()) + " to stop");
  std::_Exit(static_cast<int>(ExitCode::interrupted));
}

}  // namespace gamlp::cli
