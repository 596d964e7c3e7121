// best.safetensors: bad ones are refused; good ones give the accuracies of the run's result.
#include "host/cli/saved_run.hpp"
#include "host/data/split.hpp"
#include "host/train/evaluator.hpp"
#include "host/train/safetensors.hpp"
#include "tests/train/support.hpp"

namespace gamlp::test {
namespace {

SafeTensor floats(std::vector<std::int64_t> shape) {
  std::int64_t count = 1;
  for (const std::int64_t size : shape) count *= size;
  return {"F32", std::move(shape), std::vector<std::byte>(static_cast<std::size_t>(count) * 4)};
}

struct Bad {
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
  const std::vector<Bad> corpus = {
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
  for (const Bad& bad : corpus) {
    INFO(bad.name);
    SafeTensors content = load_safetensors(folder.best_path());
    bad.damage(content);
    save_safetensors(scratch / "bad.safetensors", content);
    const std::string message = error_of<Error>([&] { load_model(scratch / "bad.safetensors"); });
    check_says(message, "bad.safetensors");
    check_says(message, bad.message);
  }
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

TEST_CASE("a model is not applied to a graph with other features") {
  const ScratchFolder scratch;
  run_in(scratch / "run", small_config());
  fs::remove(scratch / "run/best.safetensors");
  check_says(error_of<DataError>([&] { cli::open_saved_run(scratch / "run", std::nullopt); }),
             "the run is not finished");
}

}  // namespace gamlp::test
