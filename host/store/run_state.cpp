#include "host/store/run_state.hpp"

#include <new>
#include <nlohmann/json.hpp>

#include "host/core/files.hpp"
#include "host/core/memory.hpp"

namespace gamlp {
RunState ended_state(ExitCode code, const std::string& message) {
  const char* state = code == ExitCode::ok            ? "finished"
                      : code == ExitCode::interrupted ? "interrupted"
                      : code == ExitCode::diverged    ? "diverged"
                                                      : "failed";
  return {state, static_cast<int>(code), message};
}

void write_state(const RunFolder& folder, const RunState& state) {
  nlohmann::ordered_json json = {{"state", state.state}};
  if (state.state != "running") json["status"] = state.status;
  if (!state.message.empty()) json["message"] = state.message;
  write_file_atomic(folder.state_path(), json.dump(2) + "\n");
}

RunState state_now(const RunFolder& folder) {
  std::error_code error;
  const bool finished = std::filesystem::exists(folder.result_path(), error);
  const bool held = lock_holder(folder.path()).has_value();
  if (!std::filesystem::exists(folder.state_path(), error)) {
    return {held ? "running" : finished ? "finished" : "interrupted", 0, ""};
  }
  const nlohmann::json json = nlohmann::json::parse(read_file(folder.state_path()), nullptr, false);
  try {
    RunState state{json.at("state"), json.value("status", 0), json.value("message", "")};
    if (state.state == "running" && !held) state.state = finished ? "finished" : "killed";
    return state;
  } catch (const nlohmann::json::exception&) {
    throw DataError(folder.state_path().string() + ": expected an object with \"state\"");
  }
}

void StateKeeper::begins() {
  write_state(folder_, {"running", 0, ""});
  begun_ = true;
}

void StateKeeper::failed(ExitCode code, const std::string& message) noexcept {
  try {
    if (begun_) write_state(folder_, ended_state(code, message));
  } catch (const std::exception&) {  // a full disk, say; the user hears of the error before it
  }
}

void StateKeeper::keep(const std::function<ExitCode()>& work) {
  try {
    write_state(folder_, ended_state(work()));
  } catch (const Error& error) {
    failed(error.code(), error.what());
    throw;
  } catch (const std::bad_alloc& error) {
    failed(ExitCode::device, out_of_memory_text(error));
    throw;
  } catch (const std::exception& error) {
    failed(ExitCode::internal, error.what());
    throw;
  }
}

}  // namespace gamlp
