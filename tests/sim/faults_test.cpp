// Faults planted into the real program, permanently: the simulator must catch every one.
#include "tests/sim/faults.hpp"

#include "tests/methods/simulated.hpp"

using namespace gamlp;
using namespace gamlp::test;
using sim::FaultKind;

namespace {

std::optional<sim::SimulationFault> run(Update update, int devices, FaultyContexts contexts, std::uint64_t seed = 1) {
  Setup s = setup_of(update, 0.05, 0.05);
  s.widths = {6, 5, 4, 5, 4, 3};
  for (CodecConfig* c : {&s.exchange.p, &s.exchange.q}) c->bits = 8;
  return fault_of_training(s, devices, std::move(contexts), seed);
}

using Change = std::function<void(int, FaultyTransport::Sends&, FaultyTransport::Receives&)>;

FaultyContexts changed(int rank, const Change& change) {
  FaultyContexts contexts;
  contexts.plant = [=](int at, FaultyContexts::Device& device) {
    if (at == rank) device.transport.change = change;
  };
  return contexts;
}

}  // namespace

TEST_CASE("the program without a fault is clean") {
  for (const Update update : {Update::gradient, Update::exact}) {
    for (int devices = 1; devices <= 5; ++devices) CHECK_FALSE(run(update, devices, {}).has_value());
  }
}

TEST_CASE("every wait that is removed is found as a race on what it protects") {
  std::set<std::string> waits;
  REQUIRE_FALSE(run(Update::gradient, 3, listening(waits)).has_value());
  CHECK(waits.size() == 9);  // a wait more or less in the program: look whether this test still covers each
  for (const Update update : {Update::gradient, Update::exact}) {
    for (const std::string& removed : waits) {
      for (const std::uint64_t seed : {1, 2, 3, 4, 5}) {
        INFO("without the wait for " << removed << ", seed " << seed);
        check_fault(run(update, 3, without_wait(removed), seed), FaultKind::race, {"race on"});
      }
    }
  }
}

TEST_CASE("every record of an event that is removed is found") {
  // Records of a middle device: p and q of two forward passes on each stream, then p and q of every iteration. Left out
  // are those of a forward pass that another record of the same device implies; the end devices have those alone.
  struct Place {
    int rank;
    bool on_exchange;
    std::vector<int> numbers;
  };
  const Place places[] = {{1, false, {1, 3, 4, 5, 6, 7, 8, 9, 10, 11}},
                          {1, true, {0, 2, 4, 5, 6, 7, 8, 9, 10, 11}},
                          {0, true, {0}},
                          {2, false, {1}}};
  for (const Place& place : places) {
    for (const int number : place.numbers) {
      FaultyContexts contexts;
      contexts.plant = [&](int rank, FaultyContexts::Device& device) {
        if (rank != place.rank) return;
        (place.on_exchange ? device.exchange : device.compute).drop_record = [=](int n) { return n == number; };
      };
      INFO("rank " << place.rank << (place.on_exchange ? ", exchange" : ", compute") << ", record " << number);
      check_fault(run(Update::gradient, 3, contexts), FaultKind::race, {"race on"});
    }
  }
}

TEST_CASE("a lost message is found, whichever it is") {
  for (const int rank : {0, 1, 2}) {
    for (int group = 0; group < 14; ++group) {
      for (const bool sent : {true, false}) {
        bool lost = false;
        const auto fault = run(Update::exact, 3, changed(rank, [&](int number, auto& sends, auto& receives) {
                                 if (number != group || (sent ? sends.empty() : receives.empty())) return;
                                 sent ? sends.pop_back() : receives.pop_back();
                                 lost = true;
                               }));
        INFO("rank " << rank << ", group " << group << (sent ? ", sent" : ", received"));
        REQUIRE(fault.has_value() == lost);
        if (lost) CHECK((fault->kind == FaultKind::deadlock || fault->kind == FaultKind::mismatch));
      }
    }
  }
}

TEST_CASE("a message of the wrong size, type or content is found") {
  for (const int rank : {0, 1, 2}) {
    for (const int group : {0, 1, 2, 5}) {
      bool changes = false;
      const auto shorter = run(Update::gradient, 3, changed(rank, [&](int number, auto& sends, auto&) {
                                 if (number != group || sends.empty()) return;
                                 sends[0].message.cols -= 1;
                                 changes = true;
                               }));
      bool types = false;
      const auto typed = run(Update::gradient, 3, changed(rank, [&](int number, auto&, auto& receives) {
                               if (number != group || receives.empty()) return;
                               types = true;
                               WireType& type = receives[0].label.type;
                               type = type == WireType::bytes ? WireType::float32 : WireType::bytes;
                             }));
      INFO("rank " << rank << ", group " << group);
      REQUIRE(shorter.has_value() == changes);
      if (changes) check_fault(shorter, FaultKind::mismatch, {"sizes differ"});
      REQUIRE(typed.has_value() == types);
      if (types) check_fault(typed, FaultKind::mismatch, {"types differ"});
    }
  }
  // The message of another iteration, as when a buffer's parity is wrong.
  check_fault(run(Update::gradient, 3,
                  changed(1,
                          [](int number, auto& sends, auto&) {
                            if (number > 4) sends[0].label.epoch -= 1;
                          })),
              FaultKind::mismatch, {"out of order"});
}

TEST_CASE("groups in another order are found") {
  for (const int rank : {0, 1, 2}) {
    for (int group = 4; group < 12; ++group) {  // of the iterations
      FaultyContexts contexts;
      contexts.plant = [&](int at, FaultyContexts::Device& device) {
        if (at == rank) device.transport.hold = group;
      };
      INFO("rank " << rank << ", group " << group);
      const auto fault = run(Update::gradient, 3, contexts);
      REQUIRE(fault.has_value());
      CHECK(fault->kind != FaultKind::memory);
    }
  }
}

TEST_CASE("buffers that are freed under way are found") {
  for (const bool settled : {false, true}) {
    const Setup s = setup_of(Update::gradient, 0.05, 0.05);
    SimFleet fleet(2, sim::SimulatorOptions{});
    StageSpec spec;
    spec.widths = s.widths;
    spec.nodes = s.nodes;
    spec.method = method_of(s);
    spec.placement.ranges = partition_layers(std::vector<double>(3, 1.0), 2);
    const auto fault = fault_of([&] {
      const auto input = spec.method->create_input(fleet.context(0), spec, 0, {InputKind::plain, s.nodes, 6, 6, 5});
      const auto left = spec.method->create_program(fleet.context(0), spec, 0, input.get());
      const auto right = spec.method->create_program(fleet.context(1), spec, 1, nullptr);
      for (StageProgram* program : {left.get(), right.get()}) program->enqueue_iteration(0, true);
      if (settled) fleet.simulator().finish();
    });
    CHECK_FALSE(fault.has_value());  // destructors do not throw
    const auto later = fault_of([&] { fleet.simulator().finish(); });
    if (settled) {
      CHECK_FALSE(later.has_value());
    } else {
      check_fault(later, FaultKind::memory, {"is freed while"});
    }
  }
}
