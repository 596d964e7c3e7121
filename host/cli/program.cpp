#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>
#include <filesystem>
#include <unistd.h>

#include "host/cli/commands.hpp"
#include "host/core/error.hpp"

namespace gamlp::cli {
namespace {

constexpr const char* kFooter = R"(
Exit status: 0 success, 1 internal error, 2 wrong command line, 3 bad config, 4 bad or missing data,
5 cannot write, 6 a device failed, 7 training diverged, 8 interrupted (a checkpoint was written).

Start with:  gamlp train configs/quickstart.json)";

int fail(ExitCode code, const char* kind, const std::exception& error) {
  std::fprintf(stderr, "gamlp: %s%s\n", kind, error.what());
  return static_cast<int>(code);
}

}  // namespace

void expect_writable(const std::string& file) {
  const std::filesystem::path folder = std::filesystem::path(file).parent_path();
  if (::access(folder.empty() ? "." : folder.c_str(), W_OK | X_OK) != 0) {
    throw IoError(file + ": cannot be written: " + std::strerror(errno));
  }
}

int run_program(int argc, char** argv) {
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
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    // Help and version are no errors.
    return app.exit(error) == 0 ? 0 : static_cast<int>(ExitCode::usage);
  }
  try {
    return shared.run();
  } catch (const Error& error) {
    return fail(error.code(), "", error);
  } catch (const std::bad_alloc& error) {
    return fail(ExitCode::device, "out of memory: ", error);
  } catch (const std::exception& error) {
    return fail(ExitCode::internal, "internal error: ", error);
  }
}

}  // namespace gamlp::cli
