// state.json of a run folder: what the run is doing, or how it ended. Launchers change exit statuses; this file says
// the same under all of them, and result.json is there only of a run that came to its end.
#pragma once

#include <functional>
#include <string>

#include "host/core/error.hpp"
#include "host/store/run_folder.hpp"

namespace gamlp {

struct RunState {
  // "running", "finished", "interrupted" (gamlp resume goes on), "diverged", or "failed". A process that is killed
  // leaves "running": see state_now().
  std::string state;
  int status = 0;       // the exit status that belongs to it
  std::string message;  // what went wrong
};

RunState ended_state(ExitCode code, const std::string& message = "");
// Throws IoError.
void write_state(const RunFolder& folder, const RunState& state);
// What there is to say from here. "killed": it says that it is running, but nobody trains in the folder. Runs of
// versions without the file are "finished" or "interrupted".
RunState state_now(const RunFolder& folder);

// Writes down what a run does, and how it ends.
class StateKeeper {
 public:
  explicit StateKeeper(const RunFolder& folder) : folder_(folder) {}
  void begins();  // "running"; throws IoError
  // Runs `work`, which returns how the run ended, or throws. What fails before begins() leaves the state as it was.
  void keep(const std::function<ExitCode()>& work);

 private:
  void failed(ExitCode code, const std::string& message) noexcept;

  const RunFolder& folder_;
  bool begun_ = false;
};

}  // namespace gamlp
