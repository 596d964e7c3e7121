// The simulator's rules one by one, on programs of a few ops.
#include "tests/sim/faults.hpp"

using namespace gamlp;
using namespace gamlp::test;
using sim::FaultKind;

namespace {

// Two or more devices and what the cases need of them.
struct World {
  explicit World(int devices = 2, std::uint64_t seed = 1) : fleet(devices, options(seed)) {}
  static sim::SimulatorOptions options(std::uint64_t seed) {
    sim::SimulatorOptions o;
    o.seed = seed;
    return o;
  }
  const DeviceContext& on(int rank) const { return fleet.context(rank); }
  Stream& compute(int rank) { return *on(rank).compute; }
  Stream& exchange(int rank) { return *on(rank).exchange; }
  Buffer buffer(int rank, std::size_t bytes, const char* name) {
    return on(rank).device->allocate(bytes, name, MemoryKind::variables);
  }
  std::unique_ptr<Event> event(int rank, const char* name) { return on(rank).device->create_event(name); }
  void send(int from, int to, const Buffer& buffer, const MessageLabel& label = {}) {
    const Send send{to, buffer.raw(buffer.bytes()), label};
    on(from).transport->exchange(exchange(from), {&send, 1}, {});
  }
  void receive(int at, int from, const Buffer& buffer, const MessageLabel& label = {}) {
    const Receive receive{from, buffer.raw(buffer.bytes()), label};
    on(at).transport->exchange(exchange(at), {}, {&receive, 1});
  }
  void finish() { fleet.simulator().finish(); }

  SimFleet fleet;
};

void fill(Stream& stream, const Buffer& buffer, const std::vector<float>& values) {
  stream.enqueue(ops::Upload{reinterpret_cast<const std::byte*>(values.data()), buffer.raw(values.size() * 4)});
}

std::vector<float> values_in(Stream& stream, const Buffer& buffer) {
  std::vector<float> values(buffer.bytes() / 4);
  stream.enqueue(ops::Download{buffer.raw(buffer.bytes()), reinterpret_cast<std::byte*>(values.data())});
  stream.synchronize();
  return values;
}

}  // namespace

TEST_CASE("nothing runs before something waits, and then in the stream's order") {
  World world(1);
  const Buffer x = world.buffer(0, 8, "x");
  const std::vector<float> ones = {1, 1}, twos = {2, 2};
  fill(world.compute(0), x, ones);
  fill(world.compute(0), x, twos);
  CHECK(x.mat(1, 2).data[0] == 0.0f);
  CHECK(values_in(world.compute(0), x) == twos);
}

TEST_CASE("two streams that touch the same bytes race unless an event orders them") {
  for (const bool ordered : {false, true}) {
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
      World world(1, seed);
      const Buffer x = world.buffer(0, 64, "x"), y = world.buffer(0, 64, "y");
      const auto other = world.on(0).device->create_stream("other", StreamKind::compute);
      const auto ready = world.event(0, "x ready");
      world.compute(0).label({"first", 3, 5});
      world.compute(0).enqueue(ops::Zero{x.raw(64)});
      world.compute(0).record(*ready);
      if (ordered) other->wait(*ready, "x");
      other->enqueue(ops::Copy{x.raw(64), y.raw(64)});
      const auto fault = fault_of([&] { world.finish(); });
      if (ordered) {
        CHECK_FALSE(fault.has_value());
      } else {
        check_fault(fault, FaultKind::race,
                    {"\"x\" of sim:0", "zero (first of layer 3, epoch 5) on sim:0.compute", "copy on sim:0.other"});
      }
    }
  }
}

TEST_CASE("reads do not race with reads, nor accesses to other bytes") {
  World world(1);
  const Buffer x = world.buffer(0, 64, "x"), y = world.buffer(0, 64, "y"), z = world.buffer(0, 64, "z");
  const auto other = world.on(0).device->create_stream("other", StreamKind::compute);
  world.compute(0).enqueue(ops::Copy{x.raw(64), y.raw(64)});
  other->enqueue(ops::Copy{x.raw(64), z.raw(64)});
  world.finish();
  const Bytes first{x.raw(64).data, 1, 32}, second{x.raw(64).data + 32, 1, 32}, middle{x.raw(64).data + 16, 1, 32};
  world.compute(0).enqueue(ops::Zero{first});
  other->enqueue(ops::Zero{second});
  world.finish();
  world.compute(0).enqueue(ops::Zero{first});
  other->enqueue(ops::Zero{middle});
  check_fault(fault_of([&] { world.finish(); }), FaultKind::race, {"\"x\""});
}

TEST_CASE("a write after unordered reads of several streams races with each") {
  for (int missing = 0; missing < 2; ++missing) {
    World world(1);
    const Buffer x = world.buffer(0, 64, "x"), y = world.buffer(0, 64, "y"), z = world.buffer(0, 64, "z");
    const auto a = world.on(0).device->create_stream("a", StreamKind::compute);
    const auto b = world.on(0).device->create_stream("b", StreamKind::compute);
    const auto a_done = world.event(0, "a done"), b_done = world.event(0, "b done");
    a->enqueue(ops::Copy{x.raw(64), y.raw(64)});
    a->record(*a_done);
    b->enqueue(ops::Copy{x.raw(64), z.raw(64)});
    b->record(*b_done);
    if (missing != 0) world.compute(0).wait(*a_done, "x");
    if (missing != 1) world.compute(0).wait(*b_done, "x");
    world.compute(0).enqueue(ops::Zero{x.raw(64)});
    check_fault(fault_of([&] { world.finish(); }), FaultKind::race, {missing == 0 ? "sim:0.a" : "sim:0.b"});
  }
}

TEST_CASE("a wait refers to the record that was the last when it was called") {
  World world(1);
  const Buffer x = world.buffer(0, 64, "x"), y = world.buffer(0, 64, "y");
  const auto other = world.on(0).device->create_stream("other", StreamKind::compute);
  const auto ready = world.event(0, "ready");
  other->wait(*ready, "nothing: never recorded");
  world.compute(0).enqueue(ops::Zero{x.raw(64)});
  world.compute(0).record(*ready);
  other->wait(*ready, "x");
  world.compute(0).enqueue(ops::Zero{y.raw(64)});
  world.compute(0).record(*ready);  // later: no part of the wait above
  other->enqueue(ops::Zero{x.raw(64)});
  other->enqueue(ops::Zero{y.raw(64)});
  check_fault(fault_of([&] { world.finish(); }), FaultKind::race, {"\"y\" of sim:0"});
}

TEST_CASE("what the host has waited for is ordered before what it enqueues later") {
  for (const bool waits : {false, true}) {
    World world(2);
    const Buffer x = world.buffer(0, 64, "x");
    const auto other = world.on(0).device->create_stream("other", StreamKind::compute);
    world.compute(0).enqueue(ops::Zero{x.raw(64)});
    if (waits) world.compute(0).synchronize();
    other->enqueue(ops::Zero{x.raw(64)});
    CHECK(fault_of([&] { world.finish(); }).has_value() == !waits);
  }
  // Another device's host thread learns of it through the driver only.
  for (const bool collected : {false, true}) {
    World world(2);
    const Buffer x = world.buffer(0, 64, "x");
    const auto other = world.on(0).device->create_stream("other", StreamKind::compute);
    world.fleet.post(0, [&] {
      world.compute(0).enqueue(ops::Zero{x.raw(64)});
      world.compute(0).synchronize();
    });
    if (collected) world.fleet.wait();
    world.fleet.post(1, [&] { other->enqueue(ops::Zero{x.raw(64)}); });
    CHECK(fault_of([&] { world.finish(); }).has_value() == !collected);
  }
}

TEST_CASE("a message carries bytes and order") {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    World world(2, seed);
    const Buffer x = world.buffer(0, 8, "x"), y = world.buffer(1, 8, "y");
    const std::vector<float> values = {3, 4};
    const auto ready = world.event(0, "x ready"), arrived = world.event(1, "y arrived");
    fill(world.compute(0), x, values);
    world.compute(0).record(*ready);
    world.exchange(0).wait(*ready, "x");
    world.send(0, 1, x);
    world.receive(1, 0, y);
    world.exchange(1).record(*arrived);
    world.compute(1).wait(*arrived, "y");
    CHECK(values_in(world.compute(1), y) == values);
    world.finish();
    CHECK(world.on(0).transport->counters().bytes_sent == 8);
    CHECK(world.on(1).transport->counters().bytes_received == 8);
    CHECK(world.on(0).transport->counters().messages_sent == 1);
  }
}

TEST_CASE("messages race like ops") {
  SECTION("a send before its data is ready") {
    World world;
    const Buffer x = world.buffer(0, 8, "x"), y = world.buffer(1, 8, "y");
    world.compute(0).enqueue(ops::Zero{x.raw(8)});
    world.send(0, 1, x, {"p", 2, 7});
    world.receive(1, 0, y, {"p", 2, 7});
    check_fault(fault_of([&] { world.finish(); }), FaultKind::race,
                {"\"x\"", "exchange (p of layer 2, epoch 7) on sim:0.exchange"});
  }
  SECTION("a buffer overwritten while it is being sent") {
    World world;
    const Buffer x = world.buffer(0, 8, "x"), y = world.buffer(1, 8, "y");
    world.send(0, 1, x);
    world.receive(1, 0, y);
    world.compute(0).enqueue(ops::Zero{x.raw(8)});
    check_fault(fault_of([&] { world.finish(); }), FaultKind::race, {"\"x\" of sim:0"});
  }
  SECTION("a message read before it is there") {
    World world;
    const Buffer x = world.buffer(0, 8, "x"), y = world.buffer(1, 8, "y"), z = world.buffer(1, 8, "z");
    world.send(0, 1, x);
    world.receive(1, 0, y);
    world.compute(1).enqueue(ops::Copy{y.raw(8), z.raw(8)});
    check_fault(fault_of([&] { world.finish(); }), FaultKind::race, {"\"y\" of sim:1"});
  }
  SECTION("a send that is complete says nothing of the receiver's later work") {
    World world;
    const Buffer x = world.buffer(0, 8, "x"), y = world.buffer(1, 8, "y");
    const Buffer back = world.buffer(0, 8, "back"), from = world.buffer(1, 8, "from");
    const auto got = world.event(1, "got");
    // Device 1 reuses `from` after the first message, whose sender it believes to be done with it: nothing orders that.
    world.send(0, 1, x);
    world.receive(1, 0, y);
    world.exchange(1).record(*got);
    world.compute(1).wait(*got, "y");
    world.compute(1).enqueue(ops::Zero{from.raw(8)});
    world.send(1, 0, from);
    world.receive(0, 1, back);
    check_fault(fault_of([&] { world.finish(); }), FaultKind::race, {"\"from\""});
  }
}

TEST_CASE("the two sides of a message must agree") {
  const auto fault_with = [](std::size_t sent, std::size_t expected, const MessageLabel& a, const MessageLabel& b) {
    World world;
    const Buffer x = world.buffer(0, sent, "x"), y = world.buffer(1, expected, "y");
    world.send(0, 1, x, a);
    world.receive(1, 0, y, b);
    return fault_of([&] { world.finish(); });
  };
  const MessageLabel p{"p", 3, 4, WireType::bytes}, q{"q", 3, 4, WireType::bytes}, later{"p", 3, 5, WireType::bytes},
      floats{"p", 3, 4, WireType::float32}, above{"p", 4, 4, WireType::bytes};
  CHECK_FALSE(fault_with(8, 8, p, p).has_value());
  check_fault(fault_with(8, 12, p, p), FaultKind::mismatch,
              {"sizes differ", "sim:0 sends p of layer 3, epoch 4 (8 bytes)", "sim:1 receives", "(12 bytes)"});
  check_fault(fault_with(8, 8, p, floats), FaultKind::mismatch, {"types differ", "bytes of float32"});
  for (const MessageLabel& other : {q, later, above}) {
    check_fault(fault_with(8, 8, p, other), FaultKind::mismatch, {"out of order"});
  }
}

TEST_CASE("messages of a pair match in order") {
  World world;
  const Buffer a = world.buffer(0, 8, "a"), b = world.buffer(0, 8, "b");
  const Buffer c = world.buffer(1, 8, "c"), d = world.buffer(1, 8, "d");
  world.send(0, 1, a, {"first", 0, 0});
  world.send(0, 1, b, {"second", 0, 0});
  world.receive(1, 0, d, {"second", 0, 0});
  world.receive(1, 0, c, {"first", 0, 0});
  check_fault(fault_of([&] { world.finish(); }), FaultKind::mismatch, {"out of order", "first", "second"});
}

TEST_CASE("a group is one op: sends that wait for each other need one") {
  for (const bool grouped : {false, true}) {
    World world;
    std::vector<Buffer> out, in;
    for (int rank = 0; rank < 2; ++rank) {
      out.push_back(world.buffer(rank, 8, "out"));
      in.push_back(world.buffer(rank, 8, "in"));
    }
    for (int rank = 0; rank < 2; ++rank) {
      const auto i = static_cast<std::size_t>(rank);
      if (grouped) {
        const Send send{1 - rank, out[i].raw(8)};
        const Receive receive{1 - rank, in[i].raw(8)};
        world.on(rank).transport->exchange(world.exchange(rank), {&send, 1}, {&receive, 1});
      } else {
        world.send(rank, 1 - rank, out[i], {"x", 1, 2});
        world.receive(rank, 1 - rank, in[i], {"x", 1, 2});
      }
    }
    const auto fault = fault_of([&] { world.finish(); });
    if (grouped) {
      CHECK_FALSE(fault.has_value());
    } else {
      check_fault(fault, FaultKind::deadlock,
                  {"sim:0.exchange waits to send x of layer 1, epoch 2 (8 bytes) to sim:1",
                   "sim:1.exchange waits to send x of layer 1, epoch 2 (8 bytes) to sim:0"});
    }
  }
}

TEST_CASE("the messages of one group touch different bytes") {
  World world;
  const Buffer x = world.buffer(0, 16, "x"), y = world.buffer(1, 16, "y");
  SECTION("a send and a receive") {
    const Send send{1, x.raw(8)};
    const Receive receive{1, x.raw(8)};
    world.on(0).transport->exchange(world.exchange(0), {&send, 1}, {&receive, 1});
    check_fault(fault_of([&] { world.finish(); }), FaultKind::race, {"\"x\" of sim:0", "exchange on sim:0.exchange"});
  }
  SECTION("two receives") {
    const Receive receives[] = {{0, y.raw(12)}, {0, {y.raw(16).data + 8, 1, 8}}};
    world.on(1).transport->exchange(world.exchange(1), {}, receives);
    check_fault(fault_of([&] { world.finish(); }), FaultKind::race, {"\"y\" of sim:1"});
  }
  SECTION("two sends may share") {
    const Send sends[] = {{1, x.raw(8)}, {1, x.raw(8)}};
    world.on(0).transport->exchange(world.exchange(0), sends, {});
    const Receive receives[] = {{0, {y.raw(16).data, 1, 8}}, {0, {y.raw(16).data + 8, 1, 8}}};
    world.on(1).transport->exchange(world.exchange(1), {}, receives);
    world.finish();
  }
}

TEST_CASE("a group of which one message has passed is not complete") {
  // Device 1 has device 0's x, and its host has waited for it. Device 0's group still waits for y.
  for (const bool frees : {true, false}) {
    World world(3);
    const Buffer x = world.buffer(0, 8, "x"), z = world.buffer(0, 8, "z"), in = world.buffer(1, 8, "in");
    Buffer y = world.buffer(0, 8, "y");
    const Send send{1, x.raw(8)};
    const Receive receive{2, y.raw(8)};
    world.on(0).transport->exchange(world.exchange(0), {&send, 1}, {&receive, 1});
    world.fleet.post(1, [&] {
      world.receive(1, 0, in);
      world.exchange(1).synchronize();
    });
    world.fleet.wait();
    if (frees) {
      y = Buffer();
      check_fault(fault_of([&] { world.finish(); }), FaultKind::memory, {"\"y\" of sim:0 is freed while 1"});
    } else {
      world.compute(0).enqueue(ops::Copy{y.raw(8), z.raw(8)});
      check_fault(fault_of([&] { world.compute(0).synchronize(); }), FaultKind::race, {"\"y\" of sim:0"});
    }
  }
}

TEST_CASE("a ticket vouches for what was posted before it") {
  for (const bool early : {true, false}) {
    World world;
    Buffer x = world.buffer(0, 8, "x");
    std::uint64_t ticket = 0;
    const auto zero = [&](int rank) {
      if (rank == 0) world.compute(0).enqueue(ops::Zero{x.raw(8)});
    };
    const auto wait = [&](int rank) { world.compute(rank).synchronize(); };
    ticket = world.fleet.post_all(2, zero);
    const std::uint64_t later = world.fleet.post_all(2, wait);
    world.fleet.wait(early ? ticket : later);
    x = Buffer();
    CHECK(fault_of([&] { world.finish(); }).has_value() == early);
  }
  World world;
  const std::uint64_t first = world.fleet.post_all(1, [](int) {});
  world.fleet.wait(first);
  CHECK_THROWS_AS(world.fleet.wait(first), std::logic_error);
}

TEST_CASE("a deadlock names every blocked stream and what it waits for") {
  World world(3);
  const Buffer x = world.buffer(1, 8, "x"), y = world.buffer(1, 8, "y");
  const auto arrived = world.event(1, "x arrived");
  world.receive(1, 0, x, {"q", 2, 9});  // never sent
  world.exchange(1).record(*arrived);
  world.compute(1).wait(*arrived, "the message");
  world.compute(1).enqueue(ops::Copy{x.raw(8), y.raw(8)});
  check_fault(fault_of([&] { world.compute(1).synchronize(); }), FaultKind::deadlock,
              {"the host waits for sim:1.compute",
               "sim:1.compute waits for event \"x arrived\" of sim:1.exchange, which protects the message",
               "sim:1.exchange waits to receive q of layer 2, epoch 9 (8 bytes) from sim:0"});
  CHECK_THROWS_AS(world.compute(0).synchronize(), sim::SimulationFault);  // it stays
}

TEST_CASE("a message that nobody receives is found at the end") {
  World world;
  const Buffer x = world.buffer(0, 8, "x");
  world.send(0, 1, x, {"p", 1, 1});
  world.compute(0).synchronize();
  check_fault(fault_of([&] { world.finish(); }), FaultKind::deadlock,
              {"to send p of layer 1, epoch 1 (8 bytes) to sim:1"});
}

TEST_CASE("memory is used by its own device, inside its bounds, while it lives") {
  const auto memory_fault = [](const std::function<void(World&)>& program, const std::vector<std::string>& parts) {
    World world;
    check_fault(fault_of([&] {
                  program(world);
                  world.finish();
                }),
                FaultKind::memory, parts);
  };
  SECTION("freed while an op is still to use it") {
    memory_fault(
        [](World& world) {
          Buffer x = world.buffer(0, 8, "x");
          world.compute(0).enqueue(ops::Zero{x.raw(8)});
        },
        {"\"x\" of sim:0 is freed while 1 enqueued"});
  }
  SECTION("freed before the host has waited") {
    memory_fault(
        [](World& world) {
          const Buffer other = world.buffer(1, 8, "other");
          {
            const Buffer x = world.buffer(0, 8, "x");
            world.fleet.post(0, [&] {
              world.compute(0).enqueue(ops::Zero{x.raw(8)});
              world.compute(0).synchronize();
            });
            world.fleet.post(1, [&] { world.compute(1).synchronize(); });
          }  // the driver has not waited for device 0's thread
        },
        {"\"x\" of sim:0 is freed, but the host has not waited for zero on sim:0.compute"});
  }
  SECTION("freed after a wait") {
    World world;
    {
      const Buffer x = world.buffer(0, 8, "x");
      world.compute(0).enqueue(ops::Zero{x.raw(8)});
      world.compute(0).synchronize();
    }
    world.finish();
  }
  SECTION("used after it was freed") {
    memory_fault(
        [](World& world) {
          Bytes late;
          {
            const Buffer x = world.buffer(0, 8, "x");
            late = x.raw(8);
          }
          const Buffer fresh = world.buffer(0, 8, "fresh");  // may not take the same address
          world.compute(0).enqueue(ops::Zero{late});
        },
        {"uses \"x\" after it was freed"});
  }
  SECTION("past the end") {
    memory_fault(
        [](World& world) {
          const Buffer x = world.buffer(0, 8, "x");
          world.compute(0).enqueue(ops::Zero{{x.raw(8).data, 1, 12}});
        },
        {"reaches byte 12 of \"x\", which has 8"});
  }
  SECTION("another device's") {
    memory_fault(
        [](World& world) {
          const Buffer x = world.buffer(1, 8, "x");
          world.compute(0).enqueue(ops::Zero{x.raw(8)});
        },
        {"on sim:0.compute", "\"x\" belongs to sim:1"});
  }
  SECTION("no device's") {
    memory_fault(
        [](World& world) {
          float host[2];
          world.compute(0).enqueue(ops::Zero{as_bytes(Mat{host, 1, 2})});
        },
        {"belongs to no device"});
  }
  SECTION("twice in one op") {
    memory_fault(
        [](World& world) {
          const Buffer x = world.buffer(0, 16, "x");
          world.compute(0).enqueue(ops::Copy{{x.raw(16).data, 1, 12}, {x.raw(16).data + 4, 1, 12}});
        },
        {"copy on sim:0.compute: views", "overlap in \"x\""});
  }
}

TEST_CASE("memory is accounted by kind and device") {
  World world;
  const Buffer x = world.on(1).device->allocate(100, "x", MemoryKind::weights);
  {
    const Buffer y = world.on(1).device->allocate(50, "y", MemoryKind::exchange);
    CHECK(world.on(1).device->memory().bytes[static_cast<std::size_t>(MemoryKind::exchange)] == 50);
  }
  const MemoryUse use = world.on(1).device->memory();
  CHECK(use.total == 100);
  CHECK(use.peak == 150);
  CHECK(world.on(0).device->memory().total == 0);
}

TEST_CASE("a seed fixes the order, and seeds differ") {
  const auto order = [](std::uint64_t seed) {
    World world(4, seed);
    std::vector<Buffer> buffers;
    for (int rank = 0; rank < 4; ++rank) buffers.push_back(world.buffer(rank, 4, "x"));
    for (int i = 0; i < 8; ++i) {
      for (int rank = 0; rank < 4; ++rank) {
        world.compute(rank).enqueue(ops::Zero{buffers[static_cast<std::size_t>(rank)].raw(4)});
      }
    }
    const std::uint64_t before = world.fleet.simulator().ops_run();
    world.compute(0).synchronize();  // how many ops of the others ran meanwhile depends on the order
    return world.fleet.simulator().ops_run() - before;
  };
  std::set<std::uint64_t> counts;
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    CHECK(order(seed) == order(seed));
    counts.insert(order(seed));
  }
  CHECK(counts.size() > 1);
}

TEST_CASE("what a task throws reaches the driver when it waits, and drops what follows") {
  World world;
  bool ran = false;
  world.fleet.post(0, [] { throw DataError("broken"); });
  world.fleet.post(1, [&] { ran = true; });
  CHECK_THROWS_AS(world.fleet.wait(), DataError);
  CHECK_FALSE(ran);
}

TEST_CASE("after an abort every call throws its reason") {
  World world;
  world.on(1).transport->abort("the link is down");
  CHECK_THROWS_WITH(world.compute(0).synchronize(), "simulation stopped: the link is down");
}
