// What the simulator says that collectives cost: messages of a group share the links of their devices.
#include "host/device/collectives.hpp"
#include "host/sim/sim_fleet.hpp"
#include "tests/support/catch.hpp"

using namespace gamlp;

namespace {

constexpr double kLatency = 3.0, kSecondsPerByte = 0.5, kSecondsPerSum = 100.0;

// Pairs of ranks are islands: messages to others take the second link, which is four times as slow.
struct Links final : sim::CostModel {
  double op_seconds(const Op& op) const override {
    return std::holds_alternative<ops::SumParts>(op.variant()) ? kSecondsPerSum : 0.0;
  }
  double host_copy_seconds(std::size_t) const override { return 0.0; }
  MessageCost message(int from, int to, std::size_t bytes) const override {
    const bool apart = islands && from / 2 != to / 2;
    if (hosts) return {kLatency, kSecondsPerByte * static_cast<double>(bytes), 0, from / 2, to / 2};
    return {kLatency, (apart ? 4.0 : 1.0) * kSecondsPerByte * static_cast<double>(bytes), apart ? 1 : 0};
  }
  bool copies_on_worker() const override { return on_worker; }
  bool on_worker = false, islands = false, hosts = false;
};

// Seconds until a collective is over on every one of `ranks` devices.
template <class Collective>
double seconds_of(int ranks, const Links& links, Collective collective) {
  sim::SimulatorOptions options;
  options.arithmetic = false;
  options.costs = &links;
  SimFleet fleet(ranks, options);
  std::vector<std::shared_ptr<void>> kept(static_cast<std::size_t>(ranks));
  fleet.post_all(ranks, [&](int rank) { kept[static_cast<std::size_t>(rank)] = collective(fleet.context(rank)); });
  fleet.wait();
  fleet.simulator().finish();
  return fleet.simulator().time();
}

double all_gather_seconds(int ranks, std::int64_t bytes, const Links& links) {
  return seconds_of(ranks, links, [&](const DeviceContext& on) {
    const auto memory =
        std::make_shared<Buffer>(on.device->allocate(static_cast<std::size_t>(bytes), "all", MemoryKind::exchange));
    MessageGroup messages;
    messages.all_gather(RankGroup::all(*on.transport), memory->raw(memory->bytes()), Parts::even(bytes, ranks, 1), {});
    Round round(on, "all-gather");
    round.start(messages, "parts");
    round.finish("parts");
    return memory;
  });
}

// `per_host`: ranks, where they are to be added up host by host.
double all_reduce_seconds(int ranks, std::int64_t values, const Links& links, int per_host = 0) {
  struct State {
    Buffer memory;
    std::unique_ptr<Reduction> reduction;
  };
  return seconds_of(ranks, links, [&](const DeviceContext& on) {
    auto state = std::make_shared<State>();
    std::vector<int> all, hosts;
    for (int rank = 0; rank < ranks; ++rank) {
      all.push_back(rank);
      if (per_host > 0) hosts.push_back(rank / per_host);
    }
    const RankGroup group(all, on.transport->rank(), hosts);
    state->memory = on.device->allocate(static_cast<std::size_t>(values) * 4, "x", MemoryKind::exchange);
    state->reduction = std::make_unique<Reduction>(on, group, BlockSums::one_each(ranks),
                                                   Reduction::even_parts(values, group), MessageLabel{"x"});
    const Mat x = state->memory.mat(1, values);
    state->reduction->scatter(x, 0);
    state->reduction->sum(x);
    state->reduction->gather(x);
    state->reduction->finish();
    return state;
  });
}

}  // namespace

TEST_CASE("an all-gather takes as long as one link needs for the parts of all others") {
  for (const int ranks : {2, 3, 4, 8}) {
    const double bytes = 24.0 * 64;
    CHECK(all_gather_seconds(ranks, 24 * 64, {}) == Approx(kLatency + kSecondsPerByte * bytes * (ranks - 1) / ranks));
  }
  CHECK(all_gather_seconds(1, 24 * 64, {}) == 0.0);
}

TEST_CASE("the root of a broadcast sends to all others by one link") {
  constexpr std::int64_t kBytes = 100;
  for (const int ranks : {2, 3, 8}) {
    const double seconds = seconds_of(ranks, {}, [&](const DeviceContext& on) {
      const auto memory = std::make_shared<Buffer>(on.device->allocate(kBytes, "message", MemoryKind::exchange));
      enqueue_broadcast(*on.transport, *on.exchange, RankGroup::all(*on.transport), 0, memory->raw(kBytes), {});
      return memory;
    });
    CHECK(seconds == Approx(kLatency + kSecondsPerByte * kBytes * (ranks - 1)));
  }
}

TEST_CASE("an all-reduce takes two rounds and a sum between them") {
  for (const int ranks : {2, 3, 4, 8}) {
    const double bytes = 4.0 * 24 * 64;
    const double round = kLatency + kSecondsPerByte * bytes * (ranks - 1) / ranks;
    CHECK(all_reduce_seconds(ranks, 24 * 64, {}) == Approx(2 * round + kSecondsPerSum));
  }
}

TEST_CASE("messages to other islands take a link of their own") {
  Links links;
  links.islands = true;
  // Of 4 parts, each member sends its own once by the fast link, and twice by the slow one, which takes longer.
  CHECK(all_gather_seconds(4, 400, links) == Approx(kLatency + 4 * kSecondsPerByte * 200));
}

TEST_CASE("all devices of a host share its network") {
  Links links;
  links.hosts = true;
  // Of 4 parts of 100 bytes each host sends 2 to 2 others.
  CHECK(all_gather_seconds(4, 400, links) == Approx(kLatency + kSecondsPerByte * 400));
  // To 3 hosts with 2 others each.
  CHECK(all_gather_seconds(8, 800, links) == Approx(kLatency + kSecondsPerByte * 100 * 2 * 6));
  // Two members of a host send to two hosts, or hear from them.
  for (const bool back : {false, true}) {
    const double seconds = seconds_of(6, links, [&](const DeviceContext& on) {
      const auto memory = std::make_shared<Buffer>(on.device->allocate(100, "message", MemoryKind::exchange));
      MessageGroup messages;
      for (const auto& [near, far] : {std::pair{0, 2}, {1, 4}}) {
        const int from = back ? far : near, to = back ? near : far;
        if (on.transport->rank() == from) messages.send(to, memory->raw(100), {});
        if (on.transport->rank() == to) messages.receive(from, memory->raw(100), {});
      }
      messages.enqueue(*on.transport, *on.exchange);
      return memory;
    });
    CHECK(seconds == Approx(kLatency + kSecondsPerByte * 200));
  }
  // Workers do not copy what comes from other hosts, but what comes from their own.
  links.on_worker = true;
  CHECK(all_gather_seconds(4, 400, links) ==
        Approx(kLatency + kSecondsPerByte * 400 + kLatency + kSecondsPerByte * 100));
}

TEST_CASE("an all-reduce over hosts sends as much between them as one member of each would") {
  Links links;
  links.hosts = true;
  constexpr std::int64_t kValues = 8 * 64;
  constexpr double bytes = 4.0 * kValues;
  // While some members add up, the network carries the parts of others.
  constexpr double kHidden = kLatency + kSecondsPerSum;
  // Directly each host sends all that 2 members have for 6 others, in parts of an 8th, in both rounds.
  CHECK(all_reduce_seconds(8, kValues, links) ==
        Approx(2 * (kLatency + kSecondsPerByte * bytes * 2 * 6 / 8) + kSecondsPerSum - kHidden));
  // Host by host: half of the values to the other member, their sums' parts to three hosts.
  const double near = kLatency + kSecondsPerByte * bytes / 2, far = kLatency + kSecondsPerByte * bytes * 2 * 3 / 8;
  CHECK(all_reduce_seconds(8, kValues, links, 2) == Approx(2 * (near + far) + 2 * kSecondsPerSum - kHidden));
}

TEST_CASE("CPU workers copy what others send one message after the other") {
  Links links;
  links.on_worker = true;
  CHECK(all_gather_seconds(4, 400, links) == Approx(3 * kLatency + kSecondsPerByte * 300));
}
