#include "tests/collectives/checks.hpp"

namespace gamlp::collectives {
namespace {

// From every member in turn, whatever of its two forms the size asks for.
class Broadcast {
 public:
  Broadcast(const DeviceContext& on, const RankGroup& group, std::int64_t size) : group_(group) {
    const auto ready = on.device->create_event("ready"), done = on.device->create_event("done");
    for (int root = 0; root < group.size(); ++root) {
      auto message = std::make_unique<Tensor<std::byte>>(on, 1, size);
      for (std::int64_t j = 0; j < size; ++j) {
        message->host[static_cast<std::size_t>(j)] = root == group.own() ? byte_of(root, -1, j, 0) : std::byte{0xEE};
      }
      message->upload(on);
      on.compute->record(*ready);
      on.exchange->wait(*ready, "the message");
      enqueue_broadcast(*on.transport, *on.exchange, group, root, message->view(), {"message", root + 1});
      on.exchange->record(*done);
      on.compute->wait(*done, "the message of the root");
      message->download(on);
      messages_.push_back(std::move(message));
    }
  }

  std::string problem() const {
    for (int root = 0; root < group_.size(); ++root) {
      const Tensor<std::byte>& found = *messages_[static_cast<std::size_t>(root)];
      if (!found.guard_intact()) return "wrote behind the tensor";
      for (std::size_t j = 0; j < found.host.size(); ++j) {
        if (found.host[j] == byte_of(root, -1, static_cast<std::int64_t>(j), 0)) continue;
        return "broadcast of " + std::to_string(found.host.size()) + " bytes from member " + std::to_string(root) +
               ": byte " + std::to_string(j) + " is wrong";
      }
    }
    return "";
  }

 private:
  RankGroup group_;
  std::vector<std::unique_ptr<Tensor<std::byte>>> messages_;
};

}  // namespace

std::string broadcast(Fleet& fleet) {
  std::vector<std::int64_t> sizes(std::begin(kSizes), std::end(kSizes));
  sizes.push_back((std::int64_t{1} << 18) + 5);  // goes in parts
  for (const std::int64_t size : sizes) {
    const std::string found = run_on_layouts<Broadcast>(fleet, size);
    if (!found.empty()) return found;
  }
  return "";
}

}  // namespace gamlp::collectives
