// Errors that reach the user. Each has the exit status that `gamlp` ends with.
//
// A message names the file (or key, or device), what was found, and what was expected. Library code throws an Error.
// Only main() turns it into an exit status.
#pragma once

#include <stdexcept>
#include <string>

namespace gamlp {

// `gamlp --help` and docs/getting-started.md document these numbers.
enum class ExitCode : int {
  ok = 0,
  internal = 1,     // a bug: an exception that no code below expected
  usage = 2,        // wrong command line
  config = 3,       // a config that is malformed, out of range or impossible
  data = 4,         // a dataset, checkpoint or weights file that is missing, corrupt or absurd
  io = 5,           // a folder that cannot be written, a full disk
  device = 6,       // a device or worker failed
  diverged = 7,     // training met NaN or diverged
  interrupted = 8,  // stopped by SIGINT or SIGTERM after writing a checkpoint
};

class Error : public std::runtime_error {
 public:
  Error(ExitCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ExitCode code() const { return code_; }

 private:
  ExitCode code_;
};

struct ConfigError : Error {
  explicit ConfigError(const std::string& m) : Error(ExitCode::config, m) {}
};
struct DataError : Error {
  explicit DataError(const std::string& m) : Error(ExitCode::data, m) {}
};
struct IoError : Error {
  explicit IoError(const std::string& m) : Error(ExitCode::io, m) {}
};
struct DeviceError : Error {
  explicit DeviceError(const std::string& m) : Error(ExitCode::device, m) {}
};
struct DivergenceError : Error {
  explicit DivergenceError(const std::string& m) : Error(ExitCode::diverged, m) {}
};

// Throws a std::logic_error where a precondition between parts of the program is broken: a bug, not a user's mistake.
inline void expects(bool condition, const char* what) {
  if (!condition) throw std::logic_error(std::string("precondition failed: ") + what);
}

}  // namespace gamlp
