// Coded tensors between threads: the pattern of an iteration (p one way, q the other) without its products.
#include <thread>

#include "host/cpu/cpu_device.hpp"
#include "host/cpu/local_transport.hpp"
#include "host/math/random.hpp"
#include "tests/cpu/codec.hpp"
#include "tests/support/catch.hpp"

using namespace gamlp;
using namespace gamlp::test;

namespace {

constexpr std::int64_t kValues = 300;

// One worker of a chain. Its lower boundary: own p, copies of q and u. Its upper boundary: own q and u, a copy of p.
struct Worker {
  std::vector<float> p, q_copy, u_copy, q, u, p_copy;

  void run(Transport& transport, const WireFormat& format, int rounds) {
    const int rank = transport.rank();
    const bool below = rank > 0, above = rank + 1 < transport.size();
    CpuDevice device(rank, 1);
    const auto compute = device.create_stream("compute", StreamKind::compute);
    const auto exchange = device.create_stream("exchange", StreamKind::exchange);
    for (auto* x : {&p, &q_copy, &u_copy, &q, &u, &p_copy}) x->assign(kValues, 0.0f);
    std::vector<float> z(kValues), target(kValues);
    Codec p_codec(format, kValues), q_codec(format, kValues);
    std::vector<std::byte> p_in(p_codec.message.size()), q_in(q_codec.message.size());
    const auto view = [](std::vector<float>& x) { return Mat{x.data(), 1, kValues}; };
    const auto bytes = [](std::vector<std::byte>& x) {
      return Bytes{x.data(), 1, static_cast<std::int64_t>(x.size())};
    };
    const auto swap = [&](int to, std::vector<std::byte>& out, bool sends, int from, std::vector<std::byte>& in,
                          bool receives) {
      const Send send{to, bytes(out)};
      const Receive receive{from, bytes(in)};
      transport.exchange(*exchange, {&send, sends ? 1u : 0u}, {&receive, receives ? 1u : 0u});
    };
    Random random(random_key(9, static_cast<std::uint64_t>(rank)));
    const auto event = device.create_event("p");
    double sums[4];
    for (int round = 0; round < rounds; ++round) {
      for (float& x : z) x = 0.9f * x + static_cast<float>(random.uniform() - 0.4);
      if (below) {
        for (std::size_t i = 0; i < target.size(); ++i) target[i] = 0.5f * (q_copy[i] + z[i]) - u_copy[i];
        compute->enqueue(ops::PTarget{view(target), view(p), p_codec.quantize});
      }
      swap(rank - 1, p_codec.message, below, rank + 1, p_in, above);
      exchange->record(*event);
      for (float& x : z) x *= 0.99f;  // work meanwhile
      compute->wait(*event, "messages");
      if (above) {
        compute->enqueue(ops::PReceive{bytes(p_in), view(p_copy), format});
        compute->enqueue(
            ops::QDual{view(p_copy), view(z), view(q), view(u), {}, 0.1f, 0.1f, q_codec.quantize, {sums, 1, 4}});
      }
      swap(rank + 1, q_codec.message, above, rank - 1, q_in, below);
      exchange->synchronize();
      if (below) compute->enqueue(ops::QReceive{bytes(q_in), view(p), view(q_copy), view(u_copy), format, 0.1f});
    }
  }
};

std::vector<Worker> chain(int ranks, const WireFormat& format, int rounds) {
  auto transports = create_local_transports(ranks);
  std::vector<Worker> workers(static_cast<std::size_t>(ranks));
  std::vector<std::thread> threads;
  for (std::size_t rank = 0; rank < workers.size(); ++rank) {
    threads.emplace_back([&, rank] { workers[rank].run(*transports[rank], format, rounds); });
  }
  for (std::thread& thread : threads) thread.join();
  return workers;
}

}  // namespace

TEST_CASE("neighbours on threads hold equal p, q and u after many rounds, and every run gives the same bits") {
  for (const int bits : {1, 4, 8}) {
    const WireFormat format = wire(bits, Coding::difference, bits == 8 ? Range::tensor : Range::block);
    const auto first = chain(4, format, 300), again = chain(4, format, 300);
    for (std::size_t i = 0; i + 1 < first.size(); ++i) {
      CHECK(same_bits(first[i].p_copy, first[i + 1].p));
      CHECK(same_bits(first[i].q, first[i + 1].q_copy));
      CHECK(same_bits(first[i].u, first[i + 1].u_copy));
    }
    for (std::size_t i = 0; i < first.size(); ++i) {
      CHECK(same_bits(first[i].p, again[i].p));
      CHECK(same_bits(first[i].u, again[i].u));
    }
  }
}

TEST_CASE("messages of a pair arrive in the order in which they were sent") {
  auto transports = create_local_transports(2);
  constexpr int kMessages = 8;
  std::vector<float> sent(kMessages), received(kMessages, -1.0f);
  const auto transfer = [&](int rank) {
    CpuDevice device(rank, 1);
    const auto exchange = device.create_stream("exchange", StreamKind::exchange);
    std::vector<Send> sends;
    std::vector<Receive> receives;
    for (std::size_t i = 0; i < kMessages; ++i) {  // in one group: all are under way at once
      if (rank == 0) sends.push_back({1, as_bytes(ConstMat{&sent[i], 1, 1}), {}});
      if (rank == 1) receives.push_back({0, as_bytes(Mat{&received[i], 1, 1}), {}});
    }
    transports[static_cast<std::size_t>(rank)]->exchange(*exchange, sends, receives);
    exchange->synchronize();
  };
  for (std::size_t i = 0; i < kMessages; ++i) sent[i] = static_cast<float>(i);
  std::thread sender([&] { transfer(0); });
  transfer(1);
  sender.join();
  CHECK(received == sent);
}
