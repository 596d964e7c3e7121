// Faults planted into collectives on simulated devices: each is caught, with the kind and the message named.
#include "tests/sim/faults.hpp"

#include "host/device/collectives.hpp"

using namespace gamlp;
using namespace gamlp::test;
using sim::FaultKind;

namespace {

constexpr std::int64_t kValues = 1000;
constexpr int kRanks = 4;

// Per rank: sums a tensor over all ranks, which are on one host or on two, then gathers a value of each, twice.
struct Member {
  Buffer partials, out, values, sums;
  std::unique_ptr<Reduction> reduction;
  std::unique_ptr<SmallReduction<double>> small;

  void enqueue(const DeviceContext& on, bool hosts) {
    const RankGroup group({0, 1, 2, 3}, on.transport->rank(),
                          hosts ? std::vector<int>{7, 7, 3, 3} : std::vector<int>{});
    partials = on.device->allocate(kValues * sizeof(float), "partials", MemoryKind::workspace);
    out = on.device->allocate(kValues * sizeof(float), "out", MemoryKind::workspace);
    sums = on.device->allocate(sizeof(double), "total", MemoryKind::workspace);
    const BlockSums blocks = BlockSums::one_each(group.size());
    reduction = std::make_unique<Reduction>(on, group, blocks, Reduction::even_parts(kValues, group),
                                            MessageLabel{"gradient", 3});
    small = std::make_unique<SmallReduction<double>>(on, group, blocks, 1, MessageLabel{"norm", 3});
    for (std::int64_t turn = 0; turn < 2; ++turn) {
      on.compute->enqueue(ops::Zero{partials.raw(partials.bytes())});
      reduction->scatter(partials.mat(1, kValues), turn);
      on.compute->enqueue(ops::Zero{as_bytes(small->own())});
      small->start(turn);
      reduction->sum(out.mat(1, kValues));
      reduction->gather(out.mat(1, kValues));
      small->finish(sums.view<double>(1, 1));
      reduction->finish();
      on.compute->enqueue(ops::Zero{out.raw(out.bytes())});
      on.compute->enqueue(ops::Zero{sums.raw(sums.bytes())});
    }
  }
};

std::optional<sim::SimulationFault> run(FaultyContexts contexts, std::uint64_t seed = 1, bool hosts = false) {
  sim::SimulatorOptions options;
  options.seed = seed;
  SimFleet fleet(kRanks, options);
  return fault_of([&] {
    std::vector<Member> members(kRanks);
    fleet.post_all(kRanks, [&](int rank) {
      members[static_cast<std::size_t>(rank)].enqueue(contexts(fleet.context(rank)), hosts);
    });
    fleet.wait();
    fleet.simulator().finish();
  });
}

FaultyContexts changed(int rank,
                       const std::function<void(int, FaultyTransport::Sends&, FaultyTransport::Receives&)>& change) {
  FaultyContexts contexts;
  contexts.plant = [=](int at, FaultyContexts::Device& device) {
    if (at == rank) device.transport.change = change;
  };
  return contexts;
}

constexpr int kGroups = 6;  // of each rank: scatter, small, gather; twice

}  // namespace

TEST_CASE("collectives without a fault are clean, whatever runs first") {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    CHECK_FALSE(run({}, seed).has_value());
    CHECK_FALSE(run({}, seed, true).has_value());
  }
}

TEST_CASE("every wait of a collective that is removed is a race on what it protects") {
  for (const bool hosts : {false, true}) {
    std::set<std::string> waits;
    REQUIRE_FALSE(run(listening(waits), 1, hosts).has_value());
    CHECK(waits.size() == (hosts ? 8 : 6));
    for (const std::string& removed : waits) {
      // Messages within the host follow on the same stream, and are waited for.
      if (hosts && removed == "the sum") continue;
      for (const std::uint64_t seed : {1, 2, 3}) {
        INFO("without the wait for " << removed << ", seed " << seed);
        check_fault(run(without_wait(removed), seed, hosts), FaultKind::race, {"race on"});
      }
    }
  }
}

TEST_CASE("a rank that skips a collective is named by those that wait for it") {
  for (int rank = 0; rank < kRanks; ++rank) {
    for (int skipped = 0; skipped < kGroups; ++skipped) {
      const auto fault = run(changed(rank, [=](int number, auto& sends, auto& receives) {
        if (number == skipped) sends.clear(), receives.clear();
      }));
      INFO("rank " << rank << ", group " << skipped);
      REQUIRE(fault.has_value());
      if (fault->kind == FaultKind::deadlock) {
        CHECK(std::string(fault->what()).find("sim:" + std::to_string(rank)) != std::string::npos);
      } else {
        // A later collective of the rank answers this one: of another size, or another turn.
        CHECK(fault->kind == FaultKind::mismatch);
      }
    }
  }
}

TEST_CASE("sizes, types and turns that differ between ranks are found") {
  for (int group = 0; group < kGroups; ++group) {
    const auto with = [&](const std::function<void(Send&)>& change) {
      return run(changed(2, [=](int number, auto& sends, auto&) {
        if (number == group) change(sends.at(1));
      }));
    };
    INFO("group " << group);
    check_fault(with([](Send& send) { send.message.cols -= 4; }), FaultKind::mismatch, {"sizes differ", "sim:2"});
    check_fault(with([](Send& send) {
                  send.label.type = send.label.type == WireType::bytes ? WireType::float32 : WireType::bytes;
                }),
                FaultKind::mismatch, {"types differ"});
    check_fault(with([](Send& send) { send.label.epoch += 1; }), FaultKind::mismatch, {"out of order"});
  }
}

TEST_CASE("collectives in another order on one rank are found") {
  for (int rank = 0; rank < kRanks; ++rank) {
    for (int group = 0; group + 1 < kGroups; ++group) {
      FaultyContexts contexts;
      contexts.plant = [=](int at, FaultyContexts::Device& device) {
        if (at == rank) device.transport.hold = group;
      };
      const auto fault = run(contexts);
      INFO("rank " << rank << ", group " << group << " after the next");
      REQUIRE(fault.has_value());
      CHECK(fault->kind != FaultKind::memory);
    }
  }
}
