// Simulated time: when ops, waits and messages begin and end.
#include "tests/sim/faults.hpp"

using namespace gamlp;
using namespace gamlp::test;

namespace {

// A byte written takes a second to compute and half a second to send; a message needs a second more.
struct ByteCosts final : sim::CostModel {
  double op_seconds(const Op& op) const override {
    return static_cast<double>(std::get<ops::Zero>(op.variant()).out.size());
  }
  double host_copy_seconds(std::size_t bytes) const override { return 0.25 * static_cast<double>(bytes); }
  MessageCost message(int, int, std::size_t bytes) const override { return {1.0, 0.5 * static_cast<double>(bytes), 0}; }
  bool copies_on_worker() const override { return on_worker; }
  bool on_worker = false;
};

struct Timeline final : TraceSink {
  std::vector<Span> spans;
  void span(const Span& span) override { spans.push_back(span); }
};

// Two devices; device 0 computes for `before` seconds, then sends 8 bytes; device 1 computes for `meanwhile`, waits for
// the message, and computes one second more.
struct Exchange {
  ByteCosts costs;
  std::vector<Timeline> lines{2};
  sim::DeviceClock sender, receiver;

  Exchange(std::int64_t before, std::int64_t meanwhile, bool on_worker) {
    costs.on_worker = on_worker;
    sim::SimulatorOptions options;
    options.arithmetic = false;
    options.costs = &costs;
    SimFleet fleet(2, options);
    for (int rank = 0; rank < 2; ++rank) fleet.context(rank).device->trace(&lines[static_cast<std::size_t>(rank)]);
    const auto buffer = [&](int rank, std::size_t bytes) {
      return fleet.context(rank).device->allocate(bytes, "x", MemoryKind::variables);
    };
    const Buffer x = buffer(0, 8), y = buffer(1, 8), a = buffer(0, 100), b = buffer(1, 100);
    const DeviceContext &left = fleet.context(0), &right = fleet.context(1);
    const auto ready = left.device->create_event("ready"), arrived = right.device->create_event("arrived");
    const auto work = [](const DeviceContext& on, const Buffer& memory, std::int64_t seconds) {
      on.compute->enqueue(ops::Zero{memory.raw(static_cast<std::size_t>(seconds))});
    };
    work(left, a, before);
    left.compute->record(*ready);
    left.exchange->wait(*ready, "x");
    const Send send{1, x.raw(8), {"p", 2, 3}};
    left.transport->exchange(*left.exchange, {&send, 1}, {});
    const Receive receive{0, y.raw(8), {"p", 2, 3}};
    right.transport->exchange(*right.exchange, {}, {&receive, 1});
    right.exchange->record(*arrived);
    right.compute->label({"zq", 1, 3});
    work(right, b, meanwhile);
    right.compute->wait(*arrived, "y");
    work(right, y, 1);
    fleet.simulator().finish();
    sender = fleet.simulator().clock(0);
    receiver = fleet.simulator().clock(1);
  }
};

}  // namespace

TEST_CASE("a message that hides behind work costs nothing") {
  const Exchange e(10, 20, false);  // moves from 10 to 15
  CHECK(e.sender.compute_end == 10);
  CHECK(e.receiver.compute_end == 21);
  CHECK(e.receiver.times.wait == 0);
  CHECK(e.receiver.exposed == 0);
  CHECK(e.receiver.times.exchange == 5);
}

TEST_CASE("a wait is the neighbour's until the message begins to move, then the message's") {
  const Exchange e(10, 4, false);
  CHECK(e.receiver.compute_end == 16);
  CHECK(e.receiver.times.wait == 11);
  CHECK(e.receiver.exposed == 5);
  const Exchange partly(10, 12, false);
  CHECK(partly.receiver.times.wait == 3);
  CHECK(partly.receiver.exposed == 3);
}

TEST_CASE("where workers copy for themselves, a message costs the receiver its copy") {
  const Exchange hidden(10, 20, true);
  CHECK(hidden.receiver.compute_end == 26);
  CHECK(hidden.receiver.times.wait == 0);
  CHECK(hidden.receiver.copied_on_worker == 5);
  CHECK(hidden.sender.copied_on_worker == 0);
  const Exchange waited(10, 4, true);
  CHECK(waited.receiver.compute_end == 16);
  CHECK(waited.receiver.times.wait == 6);
}

TEST_CASE("a timeline holds ops, waits and messages with their labels") {
  const Exchange e(10, 4, false);
  const auto& spans = e.lines[1].spans;
  const auto find = [&](const std::string& name, std::size_t skip = 0) {
    for (const Span& span : spans) {
      if (span.name == name && skip-- == 0) return span;
    }
    FAIL("no span " << name);
    return Span{};
  };
  const Span wait = find("wait");
  CHECK(wait.start == 4);
  CHECK(wait.end == 15);
  CHECK(std::string(wait.detail) == "y");
  CHECK(std::string(wait.label.step) == "zq");
  const Span message = find("exchange");
  CHECK(message.lane == Lane::exchange);
  CHECK(message.start == 0);
  CHECK(message.end == 15);
  CHECK(message.label.layer == 2);
  CHECK(message.bytes == 0);
  CHECK(find("zero", 1).start == 15);
  CHECK(find("zero", 1).label.epoch == 3);
  const Span sent = e.lines[0].spans.back();
  CHECK(std::string(sent.name) == "exchange");
  CHECK(sent.bytes == 8);
}
