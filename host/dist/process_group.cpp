#include "host/dist/process_group.hpp"

#include <new>

#include "host/core/memory.hpp"

namespace gamlp {
namespace {

class SoloGroup final : public ProcessGroup {
 public:
  int rank() const override { return 0; }
  int size() const override { return 1; }
  int host(int) const override { return 0; }
  std::string describe(int) const override { return "this process"; }
  void name_devices(const std::vector<std::string>&) override {}
  void set_timeouts(const GroupTimeouts&) override {}
  void send(int, std::span<const std::byte>) override { throw std::logic_error("a group of one has no peers"); }
  void receive(int, std::span<std::byte>) override { throw std::logic_error("a group of one has no peers"); }
  std::unique_ptr<Transport> create_transport() override { throw std::logic_error("a group of one has no peers"); }
  void fail(ExitCode, const std::string&) noexcept override {}
  bool failed() const override { return false; }
  void throw_if_failed() const override {}
  void finish(int) override {}
};

template <class T>
std::span<std::byte> bytes_of(T& value) {
  return std::as_writable_bytes(std::span(&value, 1));
}

}  // namespace

int local_rank(const ProcessGroup& group) {
  int before = 0;
  for (int rank = 0; rank < group.rank(); ++rank) before += group.host(rank) == group.host(group.rank()) ? 1 : 0;
  return before;
}

ProcessGroup& solo_group() {
  static SoloGroup group;
  return group;
}

void fail_here(ProcessGroup& group, ExitCode code, const std::string& what) noexcept {
  try {
    group.fail(code, group.describe(group.rank()) + " failed: " + what);
  } catch (...) {
    group.fail(code, "a process failed");
  }
}

void tell_failure(ProcessGroup& group, const std::function<void()>& step) {
  try {
    step();
  } catch (const GroupFailure&) {
    throw;
  } catch (const AgreedError&) {
    throw;  // all have it
  } catch (const DivergenceError& error) {
    group.fail(error.code(), error.what());  // nobody's fault; mostly all find it
    throw;
  } catch (const std::bad_alloc& error) {
    fail_here(group, ExitCode::device, out_of_memory_text(error));
    throw;
  } catch (const Error& error) {
    fail_here(group, error.code(), error.what());
    throw;
  } catch (const std::exception& error) {
    fail_here(group, ExitCode::internal, error.what());
    throw;
  }
}

void send_text(ProcessGroup& group, int to, const std::string& text) {
  std::uint64_t size = text.size();
  group.send(to, bytes_of(size));
  if (size > 0) group.send(to, std::as_bytes(std::span(text)));
}

std::string receive_text(ProcessGroup& group, int from) {
  std::uint64_t size = 0;
  group.receive(from, bytes_of(size));
  std::string text(size, '\0');
  if (size > 0) group.receive(from, std::as_writable_bytes(std::span(text)));
  return text;
}

void broadcast(ProcessGroup& group, std::span<std::byte> message) {
  if (message.empty()) return;
  if (group.rank() != 0) return group.receive(0, message);
  for (int to = 1; to < group.size(); ++to) group.send(to, message);
}

std::string broadcast_text(ProcessGroup& group, const std::string& text) {
  if (group.rank() != 0) return receive_text(group, 0);
  for (int to = 1; to < group.size(); ++to) send_text(group, to, text);
  return text;
}

std::vector<std::string> all_gather(ProcessGroup& group, const std::string& text) {
  std::vector<std::string> all(static_cast<std::size_t>(group.size()));
  if (group.rank() != 0) {
    send_text(group, 0, text);
  } else {
    all[0] = text;
    for (int from = 1; from < group.size(); ++from) all[static_cast<std::size_t>(from)] = receive_text(group, from);
  }
  std::string together;
  for (const std::string& one : all) together += std::to_string(one.size()) + ":" + one;
  together = broadcast_text(group, together);
  std::size_t at = 0;
  for (std::string& one : all) {
    const std::size_t colon = together.find(':', at);
    one = together.substr(colon + 1, std::stoull(together.substr(at, colon - at)));
    at = colon + 1 + one.size();
  }
  return all;
}

void agree(ProcessGroup& group, const std::function<void()>& step) {
  if (group.size() == 1) return step();
  std::string outcome;  // empty: done; otherwise the exit status as a character, and the message
  const auto failed = [&](ExitCode code, const std::string& message) {
    outcome = static_cast<char>('0' + static_cast<int>(code)) + message;
  };
  try {
    step();
  } catch (const GroupFailure&) {
    throw;
  } catch (const Error& error) {
    failed(error.code(), error.what());
  } catch (const std::bad_alloc& error) {
    failed(ExitCode::device, out_of_memory_text(error));
  } catch (const std::exception& error) {
    failed(ExitCode::internal, std::string("internal error: ") + error.what());
  }
  const std::vector<std::string> outcomes = all_gather(group, outcome);
  std::vector<int> failures;
  bool same = true;
  for (int rank = 0; rank < group.size(); ++rank) {
    const std::string& one = outcomes[static_cast<std::size_t>(rank)];
    if (!one.empty()) failures.push_back(rank);
    same = same && one == outcomes.front();
  }
  if (failures.empty()) return;
  const std::string& first = outcomes[static_cast<std::size_t>(failures.front())];
  const bool named = !same && failures.front() != 0;  // what rank 0 meets, or all do, needs no name
  throw AgreedError(static_cast<ExitCode>(first[0] - '0'),
                    (named ? group.describe(failures.front()) + ": " : "") + first.substr(1));
}

}  // namespace gamlp
