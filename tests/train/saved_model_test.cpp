// best.safetensors: bad ones are refused; good ones give the accuracies of the run's result.
#include <bit>
#include <functional>

#include "host/cli/saved_run.hpp"
#include "host/data/split.hpp"
#include "host/store/safetensors.hpp"
#include "host/train/evaluator.hpp"
#include "tests/train/support.hpp"

namespace gamlp::test {
namespace {

SafeTensor floats(std::vector<std::int64_t> shape) {
  std::int64_t count = 1;
  for (const std::int64_t size : shape) count *= size;
  return {"F32", std::move(shape), std::vector<std::byte>(static_cast<std::size_t>(count) * 4)};
}

struct BadModel {
  const char* name;
  std::function<void(SafeTensors&)> damage;
  const char* message;
};

}  // namespace

TEST_CASE("every bad file of weights is a DataError or ConfigError that names it and the defect") {
  const ScratchFolder scratch;
  const RunFolder folder = RunFolder::create(scratch / "run");
  const Network network = {{Matrix(4, 6), std::vector<float>(4)}, {Matrix(2, 4), std::vector<float>(2)}};
  folder.write_best(network, small_config(), 3);
  CHECK(load_model(folder.best_path()).network.size() == 2);
  const std::vector<BadModel> corpus = {
      {"no config", [](SafeTensors& c) { c.metadata.erase("config"); }, "\"config\" is missing"},
      {"a config that is no JSON", [](SafeTensors& c) { c.metadata["config"] = "{"; }, "(metadata \"config\")"},
      {"a config with an unknown key", [](SafeTensors& c) { c.metadata["config"] = R"({"modle":{}})"; }, "modle"},
      {"no layer",
       [](SafeTensors& c) {
         c.tensors = {{"x", floats({1})}};
       },
       "holds no layer"},
      {"no bias", [](SafeTensors& c) { c.tensors.erase("b1"); }, "layer 1 has only one of W and b"},
      {"no matrix", [](SafeTensors& c) { c.tensors.erase("W2"); }, "layer 2 has only one of W and b"},
      {"a flat matrix", [](SafeTensors& c) { c.tensors["W1"] = floats({24}); }, "layer 1: expected W"},
      {"a bias of two dimensions",
       [](SafeTensors& c) {
         c.tensors["b1"] = floats({1, 4});
       },
       "layer 1: expected W"},
      {"a short bias", [](SafeTensors& c) { c.tensors["b2"] = floats({1}); }, "layer 2: expected W"},
      {"layers that do not fit",
       [](SafeTensors& c) {
         c.tensors["W2"] = floats({2, 5});
       },
       "W has 5 inputs, the layer below has 4 outputs"},
      {"another dtype", [](SafeTensors& c) { c.tensors["W1"].dtype = "I32"; }, "layer 1: expected W"},
  };
  for (const BadModel& bad : corpus) {
    INFO(bad.name);
    SafeTensors content = load_safetensors(folder.best_path());
    bad.damage(content);
    save_safetensors(scratch / "bad.safetensors", content);
    const std::string message = error_of<Error>([&] { load_model(scratch / "bad.safetensors"); });
    check_says(message, "bad.safetensors");
    check_says(message, bad.message);
  }
}

TEST_CASE("weights as other programs save them again") {
  const ScratchFolder scratch;
  const RunFolder folder = RunFolder::create(scratch / "run");
  Network network = {{Matrix(2, 3), {0.5f, -2.0f}}};
  for (std::int64_t i = 0; i < 6; ++i) network[0].w.data()[i] = static_cast<float>(i) - 1.5f;
  folder.write_best(network, small_config(), 3);
  folder.write_config(small_config());
  const SafeTensors whole = load_safetensors(folder.best_path());
  CHECK(load_model(folder.best_path()).notes.empty());

  const auto saved = [&](const SafeTensors& content) {
    save_safetensors(folder.best_path(), content);
    return load_model(folder.best_path());
  };
  SafeTensors bare = whole;
  bare.metadata.clear();
  const SavedModel beside = saved(bare);
  CHECK(to_json(beside.config) == to_json(small_config()));
  REQUIRE(beside.notes.size() == 1);
  check_says(beside.notes[0], "took " + folder.config_path().string());

  SafeTensors more = whole;
  more.tensors["momentum"] = {"BF16", {2}, std::vector<std::byte>(4)};
  const SavedModel ignoring = saved(more);
  REQUIRE(ignoring.notes.size() == 1);
  check_says(ignoring.notes[0], "tensor \"momentum\" (BF16) is no part of a model and is ignored");

  // -1.5 … 3.5 and the biases are exact in every one of these.
  const auto as = [&](const char* dtype, const std::function<void(std::vector<std::byte>&, float)>& put) {
    SafeTensors other = whole;
    for (const char* name : {"W1", "b1"}) {
      SafeTensor& tensor = other.tensors.at(name);
      const float* values = name[0] == 'W' ? network[0].w.data() : network[0].b.data();
      tensor.dtype = dtype;
      tensor.data.clear();
      for (int i = 0; i < (name[0] == 'W' ? 6 : 2); ++i) put(tensor.data, values[i]);
    }
    const SavedModel model = saved(other);
    CHECK(std::equal(model.network[0].w.data(), model.network[0].w.data() + 6, network[0].w.data()));
    CHECK(model.network[0].b == network[0].b);
    REQUIRE(model.notes.size() == 1);
    check_says(model.notes[0], std::string("weights in ") + dtype + " were converted");
  };
  const auto append = [](std::vector<std::byte>& to, auto value) {
    const auto* bytes = reinterpret_cast<const std::byte*>(&value);
    to.insert(to.end(), bytes, bytes + sizeof value);
  };
  as("F64", [&](auto& to, float v) { append(to, static_cast<double>(v)); });
  as("BF16", [&](auto& to, float v) { append(to, static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(v) >> 16)); });
  as("F16", [&](auto& to, float v) {
    const std::uint32_t bits = std::bit_cast<std::uint32_t>(v);
    const std::uint32_t exponent = ((bits >> 23) & 255) - 112;
    append(to, static_cast<std::uint16_t>((bits >> 31) << 15 | exponent << 10 | ((bits >> 13) & 1023)));
  });
}

TEST_CASE("a saved model keeps what training took from its data") {
  const ScratchFolder scratch;
  const RunFolder folder = RunFolder::create(scratch / "run");
  Config config = small_config();
  config.dataset.hops = 2;
  config.dataset.standardize = Standardize::columns;
  Preparation preparation;
  preparation.class_ids = {7, 2012};
  preparation.shift = {1.5e9, 0.1, -3};
  preparation.factor = {1e-8, 0, 1.0 / 3};
  folder.write_best({{Matrix(2, 6), std::vector<float>(2)}}, config, 1, preparation);
  const Preparation read = load_model(folder.best_path()).preparation;
  CHECK(read.class_ids == preparation.class_ids);
  CHECK(read.shift == preparation.shift);
  CHECK(read.factor == preparation.factor);

  const SafeTensors whole = load_safetensors(folder.best_path());
  const auto message_without = [&](const std::function<void(SafeTensors&)>& damage) {
    SafeTensors content = whole;
    damage(content);
    save_safetensors(folder.best_path(), content);
    return error_of<DataError>([&] { load_model(folder.best_path()); });
  };
  check_says(message_without([](SafeTensors& c) { c.tensors.erase("feature_factor"); }),
             "tensor \"feature_factor\" is missing: the model was trained on standardised features");
  check_says(message_without([](SafeTensors& c) {
               c.tensors["class_ids"] = {"I32", {1}, std::vector<std::byte>(4)};
             }),
             "tensor \"class_ids\": expected 2 values in I32, one per class");
}

TEST_CASE("the saved model has the accuracies of result.json, in chunks of any size") {
  // Each form of layer 1: fewer training nodes than inputs (QR and V × V), and more (plain).
  for (const char* update : {"gradient", "exact"}) {
    for (const char* hops : {"dataset.hops=1", "dataset.hops=8"}) {
      INFO(update << ", " << hops);
      const ScratchFolder scratch;
      run_in(scratch / "run", small_config({std::string("method.update=") + update, hops}));
      const cli::SavedRun run = cli::open_saved_run(scratch / "run", std::nullopt);
      const Split split = make_split(run.dataset, run.model.config.dataset.split);
      const nlohmann::json result = json_of(scratch / "run/result.json");
      const std::vector<std::pair<const char*, const std::vector<std::int32_t>*>> parts = {
          {"train_accuracy", &split.train}, {"validation_accuracy", &split.validation}, {"test_accuracy", &split.test}};
      for (const auto& [key, nodes] : parts) {
        INFO(key);
        std::vector<std::int32_t> labels;
        for (const std::int32_t node : *nodes) labels.push_back(run.dataset.labels[static_cast<std::size_t>(node)]);
        CHECK(accuracy_of(cli::class_scores(run, *nodes), labels) == result[key].get<double>());
        CHECK(accuracy_of(cli::class_scores(run, *nodes, 1000), labels) == result[key].get<double>());
      }
    }
  }
}

TEST_CASE("a run without weights says why it has none") {
  const ScratchFolder scratch;
  run_in(scratch / "run", small_config({"train.checkpoint_every=2"}));
  const auto error = [&] { return error_of<DataError>([&] { cli::open_saved_run(scratch / "run", std::nullopt); }); };
  REQUIRE(fs::exists(scratch / "run/best.safetensors"));
  REQUIRE_FALSE(fs::is_empty(scratch / "run/checkpoints"));
  RunFolder::open(scratch / "run").remove_weights();
  CHECK(fs::is_empty(scratch / "run/checkpoints"));
  CHECK(fs::exists(scratch / "run/metrics.jsonl"));
  check_says(error(), "best.safetensors: no such file: its weights were removed; train it again from its config.json");
  fs::remove(scratch / "run/result.json");
  check_says(error(), "best.safetensors: no such file: the run is not finished; continue it with: gamlp resume");
}

}  // namespace gamlp::test
