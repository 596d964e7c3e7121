// The collective calls of a group, and who is silent.
#include <cstdlib>
#include <numeric>

#include "host/config/parse.hpp"
#include "host/core/memory.hpp"
#include "host/dist/launch.hpp"
#include "host/dist/signs_of_life.hpp"
#include "host/problem/chosen_devices.hpp"
#include "host/train/processes.hpp"
#include "tests/dist/thread_group.hpp"
#include "tests/train/support.hpp"

using namespace gamlp;
using namespace gamlp::test;

TEST_CASE("every process gets every process's text", "[threads]") {
  for (const int size : {1, 2, 5}) {
    const auto errors = together(size, [&](ProcessGroup& group) {
      const std::string own = std::string(static_cast<std::size_t>(group.rank()) * 1000, 'x') + "end";
      const std::vector<std::string> all = all_gather(group, own);
      for (int rank = 0; rank < size; ++rank) {
        if (all[static_cast<std::size_t>(rank)].size() != static_cast<std::size_t>(rank) * 1000 + 3) {
          throw std::runtime_error("another text");
        }
      }
      if (broadcast_text(group, group.rank() == 0 ? "" : "no") != "") throw std::runtime_error("not rank 0's text");
    });
    CHECK(errors == none(size));
  }
}

TEST_CASE("what fails on one process fails on all, told once and with its name", "[threads]") {
  const auto outcomes = [](const std::function<void(int rank)>& step) {
    return together(3, [&](ProcessGroup& group) { agree(group, [&] { step(group.rank()); }); });
  };
  CHECK(outcomes([](int) {}) == none(3));
  CHECK(outcomes([](int rank) {
          if (rank == 2) throw DataError("file.npz: is missing");
        }) == std::vector<std::string>(3, "agreed: rank 2: file.npz: is missing"));
  CHECK(outcomes([](int rank) {
          if (rank == 0) throw DataError("file.npz: is missing");
        }) == std::vector<std::string>(3, "agreed: file.npz: is missing"));
  CHECK(outcomes([](int) { throw ConfigError("bad"); }) == std::vector<std::string>(3, "agreed: bad"));
  CHECK(outcomes([](int rank) {
          if (rank > 0) throw DataError(rank == 1 ? "one.npz: is missing" : "two.npz: is damaged");
        }) == std::vector<std::string>(3, "agreed: rank 1: one.npz: is missing"));
  CHECK(outcomes([](int rank) {
          if (rank == 1) throw std::bad_alloc();
        }) == std::vector<std::string>(3, "agreed: rank 1: " + out_of_memory_text(std::bad_alloc())));
}

TEST_CASE("a group of one runs a step as it is") {
  CHECK_THROWS_AS(agree(solo_group(), [] { throw DataError("x"); }), DataError);
}

TEST_CASE("an epoch's figures, weights and state come together, of stages with fewer layers than processes too",
          "[threads]") {
  for (const auto& [size, shards] : {std::pair{1, 1}, {2, 1}, {4, 1}, {2, 2}, {4, 2}, {6, 3}}) {
    for (const int layers : {2, 5}) {
      const auto errors = together(size, [&, size = size, shards = shards](ProcessGroup& group) {
        Placement placement;
        placement.shards = shards;
        const int active = std::min(size / shards, layers);
        for (int r = 0; r < active; ++r) {
          placement.ranges.push_back({layers * r / active + 1, layers * (r + 1) / active});
        }
        // What all devices of a range have, one of them speaks for: the others hold something else here.
        const bool owns = group.rank() < placement.devices() && placement.speaks(group.rank());
        const LayerRange own = owns ? placement.layers_of(group.rank()) : LayerRange{1, 0};

        std::vector<double> scalars(static_cast<std::size_t>(layers) * 5);
        for (int l = own.first; l <= own.last; ++l) scalars[static_cast<std::size_t>(l - 1) * 5 + 3] = l;
        EpochShare share{10, group.rank() == size - 1, false, {}};
        share.hashes.resize(static_cast<std::size_t>(placement.devices()));
        const auto own_hash = static_cast<std::size_t>(group.rank());
        if (own_hash < share.hashes.size()) share.hashes[own_hash] = 100 + own_hash;
        share_epoch(group, placement, scalars, share);
        for (int l = 1; l <= layers; ++l) {
          if (scalars[static_cast<std::size_t>(l - 1) * 5 + 3] != l) throw std::runtime_error("scalars");
        }
        if (share.bytes_sent != 10u * static_cast<unsigned>(size) || !share.stop) throw std::runtime_error("share");
        for (std::size_t i = 0; i < share.hashes.size(); ++i) {
          if (share.hashes[i] != 100 + i) throw std::runtime_error("hashes");
        }

        Network network;
        for (int l = 1; l <= layers; ++l) network.push_back({Matrix(3, 2), {0, 0, 0}});
        for (int l = own.first; l <= own.last; ++l) {
          network[static_cast<std::size_t>(l) - 1].w(2, 1) = network[static_cast<std::size_t>(l) - 1].b[1] =
              static_cast<float>(l);
        }
        std::vector<Network> networks;
        networks.push_back(std::move(network));
        gather_weights(group, placement, networks);
        network = std::move(networks.front());
        broadcast_weights(group, network);
        for (int l = 1; l <= layers; ++l) {
          const LayerWeights& layer = network[static_cast<std::size_t>(l) - 1];
          if (layer.w(2, 1) != static_cast<float>(l) || layer.b[1] != static_cast<float>(l)) {
            throw std::runtime_error("weights");
          }
        }

        Matrix rows(7, 3);
        if (group.rank() == 0) std::iota(rows.data(), rows.data() + rows.size(), 1.0f);
        const Parts parts(std::vector<std::int64_t>{2, 4, 1});
        const std::vector<int> ranks = {0, 2, 1};
        const Matrix mine = scatter_rows(group, group.rank() == 0 ? rows : Matrix(), parts, ranks);
        const bool gets = group.rank() > 0 && group.rank() < 3;
        const int part = gets ? 3 - group.rank() : 0;
        if (mine.rows() != (gets ? parts.size(part) : 0)) throw std::runtime_error("rows");
        if (gets && mine(0, 1) != static_cast<float>(3 * parts.first(part) + 2)) throw std::runtime_error("row");
        if (scatter_rows(group, rows, parts, ranks).rows() != 0) throw std::runtime_error("rows that all have");

        TrainingState state;
        for (int l = own.first; l <= own.last; ++l) {
          state["z" + std::to_string(l)] = {1, 2, 4, std::vector<std::byte>(8, static_cast<std::byte>(l)), 0};
        }
        // Of "q" every process has as many rows as its rank, and one.
        const auto before = [](int rank) { return std::int64_t{rank} * (rank + 1) / 2; };
        const auto row = [](std::int64_t i) { return static_cast<std::byte>(40 + i); };
        HostTensor& q = state["q"] = {before(size), 1, 4, {}, before(group.rank())};
        for (std::int64_t i = before(group.rank()); i < before(group.rank() + 1); ++i) {
          q.data.insert(q.data.end(), 4, row(i));
        }
        gather_state(group, state);
        if (group.rank() == 0) {
          if (static_cast<int>(state.size()) != layers + 1) throw std::runtime_error("state");
          if (state.at("q").held() != before(size)) throw std::runtime_error("rows of the state");
          for (std::int64_t i = 0; i < before(size); ++i) {
            if (*state.at("q").row(i) != row(i)) throw std::runtime_error("a row of the state");
          }
        }
        // Another process's rows, and one more tensor's.
        const int next = (group.rank() + 1) % size;
        const TrainingState got = scatter_state(
            group, state,
            {{"z1", 0, 1}, {"z" + std::to_string(layers), 0, 1}, {"absent", 0, 1}, {"q", before(next), next + 1}});
        if (group.rank() != 0 && (got.size() != 3 || got.at("z1").data[7] != std::byte{1} || got.at("z1").cols != 2)) {
          throw std::runtime_error("scattered state");
        }
        if (group.rank() != 0 && (got.at("q").first != before(next) || got.at("q").held() != next + 1 ||
                                  *got.at("q").row(before(next + 1) - 1) != row(before(next + 1) - 1))) {
          throw std::runtime_error("scattered rows");
        }
      });
      CHECK(errors == none(size));
    }
  }
}

TEST_CASE("configs and builds that differ are refused, naming the difference", "[threads]") {
  const auto refusal = [](const std::vector<std::string>& overrides, const std::string& build) {
    return together(3, [&](ProcessGroup& group) {
      const bool other = group.rank() == 1;
      expect_same_program(group, small_config(other ? overrides : std::vector<std::string>{}),
                          other ? build : "gamlp 1");
    });
  };
  CHECK(refusal({}, "gamlp 1") == none(3));
  for (const std::string& error : refusal({"method.rho=0.5", "stages.1.epochs=11"}, "gamlp 1")) {
    check_says(error, "agreed: rank 1: the config differs from that of rank 0: ");
    check_says(error, "method.rho is 0.5, and null on rank 0");
    check_says(error, "\"epochs\":11");
  }
  for (const std::string& error : refusal({}, "gamlp 2")) check_says(error, "here:\ngamlp 2\non rank 0:\ngamlp 1");
}

TEST_CASE("devices of several processes: one in each, and clear words where that cannot be", "[threads]") {
  const auto refusal = [](int size, const std::vector<std::string>& overrides) {
    return together(size, [&](ProcessGroup& group) {
      const ChosenDevices chosen = choose_devices(small_config(overrides), group);
      if (chosen.text() != "cpu:" + std::to_string(size)) throw std::runtime_error(chosen.text());
    });
  };
  CHECK(refusal(2, {"devices=cpu"}) == none(2));
  CHECK(refusal(4, {"devices=cpu:4"}) == none(4));
  check_says(refusal(2, {"devices=cpu:4"})[1], "agreed: devices: \"cpu:4\" asks for 4 devices, but 2 processes");
  check_says(
      refusal(5, {"devices=cpu", "partition.shards=1"})[0],
      "5 processes were started, with a device in each: 5 devices in 1 shard (`partition.shards`) are 5 for the 4 "
      "layers");
  check_says(refusal(5, {"devices=cpu", "partition.shards=1"})[0], "possible are 4 devices");
  check_says(refusal(2, {"devices=cpu", "partition=[1,2,1]"})[0],
             "2 processes were started, with a device in each: `partition.layers` has 3 entries for 2 devices");
}

TEST_CASE("processes know who is on whose host", "[threads]") {
  const std::vector<int> hosts = {0, 1, 0, 1, 1, 5};
  const auto errors = together(
      6,
      [&](ProcessGroup& group) {
        const ChosenDevices chosen = choose_devices(small_config({"devices=cpu", "partition.shards=6"}), group);
        if (chosen.hosts != hosts || chosen.one_host()) throw std::runtime_error("hosts");
        if (local_rank(group) != std::vector<int>{0, 0, 1, 1, 2, 0}[static_cast<std::size_t>(group.rank())]) {
          throw std::runtime_error("local rank " + std::to_string(local_rank(group)));
        }
      },
      hosts);
  CHECK(errors == none(6));
  CHECK(together(2, [](ProcessGroup& group) {
          if (!choose_devices(small_config({"devices=cpu"}), group).one_host()) throw std::runtime_error("hosts");
        }) == none(2));
  CHECK(ChosenDevices().one_host());
}

TEST_CASE("the longest silence is found, and a pause of one's own is not the others'") {
  SignsOfLife signs({1, 2}, 100.0);
  for (double t = 100.0; t < 103.0; t += 0.1) {
    signs.look(t);
    signs.heard(1, t);
  }
  CHECK_FALSE(signs.silent(103.0, 3.5));
  REQUIRE(signs.silent(103.0, 2.0));
  CHECK(signs.silent(103.0, 2.0)->rank == 2);
  CHECK(signs.silent(103.0, 2.0)->seconds == Approx(3.0));
  signs.look(103.0);
  signs.look(110.0);  // this process was stopped for 7 s
  CHECK_FALSE(signs.silent(110.0, 1.0));
  signs.heard(7, 111.0);  // nobody that is watched
  CHECK(signs.silent(112.0, 1.0)->seconds == Approx(2.0));
}
