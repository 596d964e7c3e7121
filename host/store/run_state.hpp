// state.json of a run folder says what the run is doing, or how it ended. Launchers change exit statuses, but this file
// says the same under all of them. result.json does not tell, because only a run that came to its end has one.
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
// Writes state.json. Throws IoError.
void write_state(const RunFolder& folder, const RunState& state);
// Returns the state as another process sees it. "killed" means that the file says "running", but nobody trains in the
// folder. Runs of versions without the file are "running", "finished" or "interrupted". Throws DataError when the file
// is damaged.
RunState state_now(const RunFolder& folder);

// Writes into state.json what a run does, and how it ends.
class StateKeeper {
 public:
  explicit StateKeeper(const RunFolder& folder) : folder_(folder) {}
  void begins();  // "running"; throws IoError
  // Runs `work`, which returns how the run ended, or throws. Writes that down. What fails before begins() leaves the
  // state as it was.
  void keep(const std::function<ExitCode()>& work);

 private:
  void failed(ExitCode code, const std::string& message) noexcept;

  const RunFolder& folder_;
  bool begun_ = false;
};

}  // namespace gamlp
