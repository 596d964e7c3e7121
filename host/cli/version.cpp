#include "host/core/version.hpp"

#include <csignal>
#include <ctime>

#include "host/cli/commands.hpp"
#include "host/core/instructions.hpp"
#include "host/cpu/blas.hpp"
#include "host/device/accelerator.hpp"
#include "host/dist/launch.hpp"

namespace gamlp::cli {
namespace {

std::atomic<bool> g_stop{false}, g_ending{false};
static_assert(std::atomic<bool>::is_always_lock_free, "the signal handler needs a lock-free flag");

std::atomic<std::int64_t> g_stopped_at{0};

extern "C" void on_signal(int signal) {
  if (signal != SIGUSR1) g_ending = true;
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  if (!g_stop.exchange(true)) {
    g_stopped_at = now.tv_sec;
    return;
  }
  // Whoever ends a group of processes may reach one by way of another, too; systemd and terminals send two signals.
  if (signal != SIGINT && signal != SIGUSR1 && now.tv_sec - g_stopped_at <= 1) return;
  std::signal(signal, SIG_DFL);  // the second one: end as if there were no handler
  std::raise(signal);
}

}  // namespace

std::string build_text() {
  std::string text = std::string("gamlp ") + kVersion;
  text += "\ncompiler: " __VERSION__;
  text += std::string("\ninstructions: ") + kInstructions;
  text += "\nCPU linear algebra: " + blas_description();
  text += "\nMPI: " + describe_launching();
  text += "\nCUDA: " + (accelerator() != nullptr ? accelerator()->build() : "not in this build");
  return text;
}

std::string version_text() {
  std::string text = build_text();
  if (accelerator() != nullptr) text += "\nCUDA devices: " + accelerator()->description();
  return text;
}

std::atomic<bool>& stop_flag() { return g_stop; }
std::atomic<bool>& ending_flag() { return g_ending; }

void install_signal_handlers() {
  std::signal(SIGINT, on_signal);
  std::signal(SIGTERM, on_signal);
  if (std::signal(SIGHUP, SIG_IGN) != SIG_IGN) std::signal(SIGHUP, on_signal);  // ignored: nohup
  if (launch().together()) std::signal(SIGUSR1, on_signal);  // what mpirun passes on without ending the job
}

void survive_closed_pipes() { std::signal(SIGPIPE, SIG_IGN); }

}  // namespace gamlp::cli
