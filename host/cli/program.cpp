#include <CLI/CLI.hpp>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <fcntl.h>
#include <filesystem>
#include <sys/prctl.h>
#include <unistd.h>

#include "host/cli/commands.hpp"
#include "host/cli/table.hpp"
#include "host/core/error.hpp"
#include "host/core/memory.hpp"
#include "host/dist/launch.hpp"
#include "host/experiment/pool.hpp"

namespace gamlp::cli {
namespace {

constexpr const char* kFooter = R"(
Exit status: 0 success, 1 internal error, 2 wrong command line, 3 bad config, 4 bad or missing data,
5 cannot write, 6 a device failed, 7 training diverged, 8 interrupted (a checkpoint was written, unless training
had not begun). Launchers may change it: state.json of a run folder, and gamlp info, say how the run ended.

Start with:  gamlp train configs/quickstart.json)";

// Of several processes each says who it is, but for what all of them say.
int fail(const ProcessGroup& group, ExitCode code, const char* kind, const std::exception& error, bool tell) {
  const bool agreed = dynamic_cast<const AgreedError*>(&error) != nullptr;
  const std::string who = group.size() == 1 || agreed ? "" : group.describe(group.rank()) + ": ";
  if (tell) std::fprintf(stderr, "gamlp: %s%s%s\n", who.c_str(), kind, error.what());
  return static_cast<int>(code);
}

// What one process meets ends the others, too.
int fail_alone(ProcessGroup& group, ExitCode code, const char* kind, const std::exception& error) {
  const int status = fail(group, code, kind, error, true);
  fail_here(group, code, std::string(kind) + error.what());
  return status;
}

// What the process may count on whoever started it: a file that grows too large is an error of write(), with its reason
// and its cleaning up, not a signal; and no file of ours becomes the standard output because that was closed.
void settle_process() {
  std::signal(SIGXFSZ, SIG_IGN);
  int fd = 0;
  while (fd >= 0 && fd <= STDERR_FILENO) fd = ::open("/dev/null", O_RDWR);
  if (fd > STDERR_FILENO) ::close(fd);
}

// Success is that the output arrived, too.
int whole_output(ProcessGroup& group) {
  try {
    expect_stdout_whole();
    return 0;
  } catch (const IoError& error) {
    return fail(group, error.code(), "", error, true);
  }
}

// A run that an experiment has started is stopped when that goes without having ended it.
void follow_parent() {
  const char* parent = std::getenv(kParentVariable);
  if (parent == nullptr) return;
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (std::to_string(::getppid()) != parent) std::raise(SIGTERM);
}

}  // namespace

void expect_writable(const std::string& file) {
  const std::filesystem::path folder = std::filesystem::path(file).parent_path();
  const bool writable = is_device_file(file) ? ::access(file.c_str(), W_OK) == 0
                                             : ::access(folder.empty() ? "." : folder.c_str(), W_OK | X_OK) == 0;
  if (!writable) {
    throw IoError(file + ": cannot be written: " + std::strerror(errno));
  }
}

int run_program(int argc, char** argv) {
  settle_process();
  follow_parent();
  CLI::App app("gamlp trains Graph-Augmented MLPs, layer-parallel, by ADMM (pdADMM-G, pdADMM-G-Q).", "gamlp");
  Shared shared;
  app.footer(kFooter);
  app.require_subcommand(1);
  app.set_version_flag("--version", std::function<std::string()>(version_text));  // asks the devices: only then
  add_train(app, shared);
  add_resume(app, shared);
  add_evaluate(app, shared);
  add_predict(app, shared);
  add_info(app, shared);
  add_generate(app, shared);
  add_bench(app, shared);
  add_plan(app, shared);
  add_experiment(app, shared);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    // Help and version are no errors. Of several processes the first one says it.
    if (launch().rank != 0) return error.get_exit_code() == 0 ? 0 : static_cast<int>(ExitCode::usage);
    if (app.exit(error) != 0) return static_cast<int>(ExitCode::usage);
    return whole_output(solo_group());
  }
  std::unique_ptr<ProcessGroup> group;
  int status = 0;
  try {
    if (launch().together()) install_signal_handlers();  // a launcher that ends the job leaves a moment to say why
    group = start_group(ending_flag());
    if (group) shared.group = group.get();
    if (group && group->size() > 1 && !shared.together) {
      throw AgreedError(ExitCode::usage, "this command runs in one process, not in " + std::to_string(group->size()));
    }
    status = shared.run();
  } catch (const AgreedError& error) {
    status = fail(*shared.group, error.code(), "", error, shared.group->rank() == 0);
  } catch (const GroupFailure& error) {
    status = fail(*shared.group, error.code(), "", error, true);
  } catch (const DivergenceError& error) {  // every process finds it, from the same figures
    status = fail(*shared.group, error.code(), "", error, shared.group->rank() == 0);
  } catch (const Error& error) {
    status = fail_alone(*shared.group, error.code(), "", error);
  } catch (const std::bad_alloc& error) {
    status = fail_alone(*shared.group, ExitCode::device, "", DeviceError(out_of_memory_text(error)));
  } catch (const std::exception& error) {
    status = fail_alone(*shared.group, ExitCode::internal, "internal error: ", error);
  }
  if (status == 0) status = whole_output(*shared.group);
  if (group) group->finish(status);
  return_freed_memory();  // CUDA's libraries touch 69 MB more while the process ends
  return status;
}

}  // namespace gamlp::cli
