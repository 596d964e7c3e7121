// Checkpoints: what is loaded is what was saved, and a damaged newest one gives way to the one before.
#include "host/store/checkpoint.hpp"

#include "tests/train/support.hpp"

namespace gamlp::test {
namespace {

HostTensor tensor_of(std::int64_t rows, std::int64_t cols, std::int64_t item_bytes, unsigned seed) {
  HostTensor tensor{rows, cols, item_bytes, std::vector<std::byte>(static_cast<std::size_t>(rows * cols * item_bytes))};
  for (std::byte& byte : tensor.data) byte = static_cast<std::byte>((seed = seed * 1103515245u + 12345u) >> 26);
  return tensor;
}

Checkpoint sample(std::int64_t epoch) {
  Checkpoint c;
  c.stage = 3;
  c.stage_epoch = 40;
  c.stage_complete = true;
  c.epoch = epoch;
  c.seconds = 0.1;
  c.evaluation_seconds = 1.0 / 3.0;
  c.bytes_sent = (std::uint64_t{1} << 60) + 1;
  c.recent = {{1.0 / 7.0, 1e300, -0.0}, {1.0 / 3.0, 0.0, 1e-300}, {0.5, 1.0 / 11.0, 0.0}, 1.0 / 9.0};
  c.config = to_json(small_config()).dump();
  c.input_probe = {1.0 / 3.0, -1e-300};
  c.best.epoch = 5;
  c.best.accuracies = {1.0 / 3.0, std::nan(""), 0.1};
  c.best.network.push_back({Matrix(3, 2), {1.0f, -0.5f, 1e-40f}});
  c.best.network.back().w(2, 1) = 0.1f;
  c.best.stage_epoch = 2;
  c.best_of_stages.push_back({9, 4, {0.9, 0.7, 0.6}, {{Matrix(2, 2), {0.25f, 4.0f}}, {Matrix(3, 2), {1, 2, 3}}}});
  c.best_of_stages.back().network[0].w(1, 0) = -0.3f;
  c.best_of_stages.push_back({});  // a stage that was never evaluated
  c.state["p2"] = tensor_of(7, 5, 4, 1);
  c.state["sums1"] = tensor_of(1, 3, 8, 2);
  c.state["iteration"] = {1, 1, 4, std::vector<std::byte>(4, std::byte{0xff})};
  return c;
}

}  // namespace

TEST_CASE("a checkpoint is loaded as it was saved") {
  const ScratchFolder scratch;
  const Checkpoint a = sample(123);
  const fs::path path = checkpoint_path(scratch.path(), 123);
  CHECK(path.filename() == "epoch-000123.safetensors");
  save_checkpoint(path, a);
  const Checkpoint b = load_checkpoint(path);
  CHECK(b.stage == a.stage);
  CHECK(b.stage_epoch == a.stage_epoch);
  CHECK(b.stage_complete == a.stage_complete);
  CHECK(b.epoch == a.epoch);
  CHECK(b.seconds == a.seconds);
  CHECK(b.evaluation_seconds == a.evaluation_seconds);
  CHECK(b.bytes_sent == a.bytes_sent);
  CHECK(b.recent == a.recent);
  CHECK(b.config == a.config);
  CHECK(b.input_probe == a.input_probe);
  CHECK(b.best.epoch == a.best.epoch);
  CHECK(b.best.accuracies.train == a.best.accuracies.train);
  CHECK(std::isnan(b.best.accuracies.validation));
  CHECK(b.best.network.at(0).b == a.best.network.at(0).b);
  CHECK(b.best.network.at(0).w(2, 1) == 0.1f);
  CHECK(b.best.stage_epoch == 2);
  REQUIRE(b.best_of_stages.size() == 2);
  CHECK(b.best_of_stages[0].epoch == 9);
  CHECK(b.best_of_stages[0].stage_epoch == 4);
  CHECK(b.best_of_stages[0].accuracies.validation == 0.7);
  REQUIRE(b.best_of_stages[0].network.size() == 2);
  CHECK(b.best_of_stages[0].network[0].w(1, 0) == -0.3f);
  CHECK(b.best_of_stages[0].network[1].b == std::vector<float>{1, 2, 3});
  CHECK(b.best_of_stages[1].epoch == 0);
  CHECK(b.best_of_stages[1].network.empty());
  REQUIRE(b.state.size() == a.state.size());
  for (const auto& [name, tensor] : a.state) {
    INFO(name);
    const HostTensor& other = b.state.at(name);
    CHECK(other.rows == tensor.rows);
    CHECK(other.cols == tensor.cols);
    CHECK(other.item_bytes == tensor.item_bytes);
    CHECK(other.data == tensor.data);
  }
  CHECK_FALSE(holds_temporary_files(scratch.path()));
}

TEST_CASE("the newest checkpoint that loads is used, with a warning for each damaged one") {
  const ScratchFolder scratch;
  for (const std::int64_t epoch : {9, 10, 1'000'000})
    save_checkpoint(checkpoint_path(scratch.path(), epoch), sample(epoch));
  std::vector<std::string> warnings;
  CHECK(load_latest_checkpoint(scratch.path(), warnings).epoch == 1'000'000);
  CHECK(warnings.empty());

  const fs::path newest = checkpoint_path(scratch.path(), 1'000'000);
  write_file_atomic(newest, read_file(newest).substr(0, 200));
  CHECK(load_latest_checkpoint(scratch.path(), warnings).epoch == 10);
  REQUIRE(warnings.size() == 1);
  check_says(warnings[0], "epoch-1000000.safetensors: ");

  remove_old_checkpoints(scratch.path(), 2);
  CHECK(names_in(scratch.path()).size() == 2);
  CHECK_FALSE(fs::exists(checkpoint_path(scratch.path(), 9)));

  fs::remove(checkpoint_path(scratch.path(), 10));
  warnings.clear();
  check_says(error_of<DataError>([&] { load_latest_checkpoint(scratch.path(), warnings); }),
             "holds no usable checkpoint");
}

}  // namespace gamlp::test
