// Parts that transports share: counters of messages, and, within one process, ends around a common hub.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "host/core/error.hpp"
#include "host/device/transport.hpp"

namespace gamlp {

// Counts messages. Any thread may read the counts.
class MessageCounters {
 public:
  // The transport counts sends when they are enqueued, so that the count after an iteration is always the same.
  void sent(std::span<const Send> sends) {
    for (const Send& send : sends) {
      bytes_sent_ += static_cast<std::uint64_t>(send.message.size());
      messages_sent_ += 1;
    }
  }
  void received(const Receive& receive) { bytes_received_ += static_cast<std::uint64_t>(receive.message.size()); }
  TransportCounters read() const { return {bytes_sent_.load(), bytes_received_.load(), messages_sent_.load()}; }

 private:
  std::atomic<std::uint64_t> bytes_sent_{0}, bytes_received_{0}, messages_sent_{0};
};

inline void expect_peers(int size, std::span<const Send> sends, std::span<const Receive> receives) {
  for (const Send& send : sends) expects(send.peer >= 0 && send.peer < size, "exchange: peer exists");
  for (const Receive& receive : receives) expects(receive.peer >= 0 && receive.peer < size, "exchange: peer exists");
}

// Says in errors which message it was.
inline std::string text_of(const MessageLabel& label) {
  if (*label.what == '\0') return "a message";
  std::string text = label.what;
  if (label.layer > 0) {
    text += " of layer " + std::to_string(label.layer) + ", epoch " + std::to_string(label.epoch + 1) + " of the stage";
  }
  return text;
}

// Creates the ends of a transport. `Hub` is constructed from the number of ends, `End` from (shared hub, rank).
template <class End, class Hub>
std::vector<std::unique_ptr<Transport>> create_ends(int size) {
  auto hub = std::make_shared<Hub>(size);
  std::vector<std::unique_ptr<Transport>> ends;
  for (int rank = 0; rank < size; ++rank) ends.push_back(std::make_unique<End>(hub, rank));
  return ends;
}

}  // namespace gamlp
