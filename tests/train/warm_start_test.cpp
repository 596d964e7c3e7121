// Runs that start from the weights of another.
#include "host/train/warm_start.hpp"

#include "host/data/generate.hpp"
#include "host/data/load.hpp"
#include "host/methods/common/predictor.hpp"
#include "host/store/saved_model.hpp"
#include "host/train/evaluator.hpp"
#include "tests/train/support.hpp"

namespace gamlp::test {
namespace {

bool says(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// A rate that changes no bit of the weights: the run's accuracies are those of its start.
const std::vector<std::string> kStill = {
    R"(stages=[{"layers":4,"epochs":1,"method":{"name":"adam","optimizer":{"learning_rate":1e-12}}}])"};

std::vector<std::string> from(const fs::path& weights, const std::vector<std::string>& more = {}) {
  return joined({"train.from=" + weights.string()}, more);
}

// The accuracies of the model in `file` on the parts of a config's problem, by the host's forward pass.
std::array<double, 3> accuracies(const fs::path& file, const Config& config, const Preparation& trained = {}) {
  Config plain = config;
  plain.method.name = "adam";
  const SavedModel model = load_model(file);
  const Problem problem = prepare_problem(plain, 1, choose_devices(plain), trained).problem;
  std::array<double, 3> out{};
  for (std::size_t part = 0; part < 3; ++part) {
    const Matrix scores =
        forward(model.network, activation_rule(config.model), problem.inputs_of(InputKind::plain).part(part));
    out[part] = accuracy_of(scores, problem.parts[part].labels);
  }
  return out;
}

std::array<double, 3> of(const nlohmann::json& result) {
  return {result["train_accuracy"], result["validation_accuracy"], result["test_accuracy"]};
}

std::string error_of(const Config& config) {
  const ScratchFolder scratch;
  try {
    run_in(scratch / "run", config);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("a run from the weights of another starts with what those do") {
  const ScratchFolder scratch;
  for (const char* hops : {"dataset.hops=2", "dataset.hops=12"}) {
    for (const char* update : {"method.update=gradient", "method.update=exact"}) {
      INFO(hops << " " << update);
      const std::vector<std::string> common = {hops, update, "dataset.generate.feature_signal=0.6"};
      const fs::path first = scratch / (std::string(hops) + update);
      run_in(first, small_config(common));
      const auto expected = of(json_of(first / "result.json"));
      // Of other weights they differ, and weights that are not trained stay.
      const fs::path still = scratch / (std::string("still") + hops + update);
      run_in(still, small_config(joined(from(first, joined(common, kStill)), {"train.seed=5"})));
      CHECK(of(nlohmann::json::parse(lines_of(still / "metrics.jsonl")[0])) == expected);
      CHECK(json_of(still / "result.json")["best_epoch"] == 0);
      CHECK(of(json_of(still / "result.json")) == expected);
      // A file serves as well as its run, and a deeper stage starts with the same.
      const fs::path deeper = scratch / (std::string("deeper") + hops + update);
      run_in(deeper,
             small_config(joined(from(first / "best.safetensors", joined(common, kStill)), {"stages.0.layers=7"})));
      CHECK(of(json_of(deeper / "result.json")) == expected);
      CHECK(json_of(deeper / "result.json")["layers"] == 7);
      // ADMM trains on from there: what it starts from counts as a candidate.
      const fs::path on = scratch / (std::string("on") + hops + update);
      run_in(on, small_config(joined(from(first, common), {R"(stages=[{"layers":4,"epochs":3}])"})));
      const auto result = json_of(on / "result.json");
      CHECK(result["validation_accuracy"].get<double>() >= expected[1] - 1e-9);
      CHECK(result["from"] == first.string());
    }
  }
}

TEST_CASE("weights on disk are for inputs without their hops' weights") {
  const ScratchFolder scratch;
  for (const char* hops : {"dataset.hops=3", "dataset.hops=12"}) {
    for (const char* update : {"method.update=gradient", "method.update=exact"}) {
      INFO(hops << " " << update);
      const std::vector<std::string> common = {hops, update, "dataset.generate.feature_signal=0.6"};
      const fs::path run = scratch / (std::string(hops) + update), other = run.string() + "-other";
      run_in(run, small_config(joined(common, {"dataset.hop_growth=1.6"})));
      run_in(other, small_config(common));
      const auto expected = of(json_of(run / "result.json"));
      CHECK(expected != of(json_of(other / "result.json")));       // it changes what is trained
      const auto near = [&](const std::array<double, 3>& found) {  // rounding may turn a node
        for (std::size_t i = 0; i < 3; ++i) CHECK(std::fabs(found[i] - expected[i]) < 0.02);
      };
      near(accuracies(run / "best.safetensors", small_config(common)));
      for (const char* growth : {"dataset.hop_growth=1.6", "dataset.hop_growth=0.7"}) {
        const fs::path still = run.string() + growth;
        run_in(still, small_config(joined(from(run, joined(common, kStill)), {growth})));
        near(of(json_of(still / "result.json")));
      }
    }
  }
}

TEST_CASE("a run may start from weights of another graph of the same features, with its classes and scales") {
  const ScratchFolder scratch;
  const std::vector<std::string> common = {"dataset.standardize=columns", "dataset.generate.feature_signal=0.7"};
  run_in(scratch / "first", small_config(joined(common, {"dataset.generate.seed=3"})));
  const Config other = small_config(
      joined(from(scratch / "first", common), joined(kStill, {"dataset.generate.seed=4", "dataset.standardize=null"})));
  run_in(scratch / "second", other);
  const Preparation trained = load_model(scratch / "first/best.safetensors").preparation;
  REQUIRE(trained.factor.size() == 12);
  const Preparation kept = load_model(scratch / "second/best.safetensors").preparation;
  CHECK(kept.factor == trained.factor);
  CHECK(kept.shift == trained.shift);
  Config plain = other;
  plain.dataset.standardize = Standardize::columns;
  CHECK(of(json_of(scratch / "second/result.json")) == accuracies(scratch / "first/best.safetensors", plain, trained));
  // Scales of its own, where the config asks for another way: the weights mean something else then.
  Recorder recorder;
  run_in(scratch / "third", small_config(joined(from(scratch / "first", kStill), {"dataset.standardize=scale"})), {},
         &recorder);
  CHECK(says(recorder.warnings.at(0), "`dataset.standardize` is \"scale\", but the weights of "));
  CHECK(says(recorder.warnings.at(0), " were trained with \"columns\""));
  CHECK(load_model(scratch / "third/best.safetensors").preparation.factor != trained.factor);
}

TEST_CASE("a new graph's labels mean the classes of the weights, and a new head has classes of its own") {
  const ScratchFolder scratch;
  GenerateConfig generate;
  generate.nodes = 240, generate.classes = 4, generate.features = 12, generate.mean_degree = 6;
  generate.feature_signal = 1.0;
  Dataset graph = generate_csbm(generate);
  const auto relabelled = [&](const std::vector<std::int32_t>& ids, const char* name) {
    Dataset copy = graph;
    for (std::int32_t& label : copy.labels) label = ids[static_cast<std::size_t>(label)];
    copy.classes = 1 + *std::max_element(copy.labels.begin(), copy.labels.end());
    save_npz_dataset(scratch / name, copy);
    return "dataset=" + nlohmann::json{{"path", (scratch / name).string()},
                                       {"hops", 2},
                                       {"split", {{"kind", "fraction"}, {"train_fraction", 0.3}}}}
                            .dump();
  };
  const std::string three = relabelled({7, 11, 19, 11}, "three.npz");
  run_in(scratch / "first", small_config({three}));
  const auto expected = of(json_of(scratch / "first/result.json"));
  // Two of the three, by their ids: the head keeps its three outputs.
  const std::string two = relabelled({7, 19, 19, 19}, "two.npz");
  run_in(scratch / "fewer", small_config(joined(from(scratch / "first", kStill), {two})));
  CHECK(load_model(scratch / "fewer/best.safetensors").network.back().w.rows() == 3);
  CHECK(load_model(scratch / "fewer/best.safetensors").preparation.class_ids == std::vector<std::int32_t>{7, 11, 19});
  run_in(scratch / "same", small_config(joined(from(scratch / "first", kStill), {three})));
  CHECK(of(json_of(scratch / "same/result.json")) == expected);
  // Likewise where the ids are 0, 1, …, and the new graph has only some of them.
  run_in(scratch / "plain", small_config({relabelled({0, 1, 2, 1}, "plain.npz")}));
  run_in(scratch / "gap", small_config(joined(from(scratch / "plain", kStill), {relabelled({0, 2, 2, 2}, "gap.npz")})));
  CHECK(load_model(scratch / "gap/best.safetensors").network.back().w.rows() == 3);
  // Ids that the weights do not know.
  const std::string others = relabelled({7, 11, 19, 23}, "others.npz");
  CHECK(says(error_of(small_config(joined(from(scratch / "first", kStill), {others}))),
             "best.safetensors: tensor \"W4\" is 3 × 16, expected 4 × 16 (the labels of others have 4 classes; with "
             "train.new_head true the last layer starts anew)"));
  run_in(scratch / "head", small_config(joined(from(scratch / "first", kStill), {others, "train.new_head=true"})));
  const SavedModel head = load_model(scratch / "head/best.safetensors"),
                   first = load_model(scratch / "first/best.safetensors");
  CHECK(head.network.back().w.rows() == 4);
  CHECK(head.network[1].w.view().flat()[5] == first.network[1].w.view().flat()[5]);
  CHECK(head.preparation.class_ids == std::vector<std::int32_t>{7, 11, 19, 23});
}

TEST_CASE("weights that do not fit are refused by the name of a tensor, and nothing is left behind") {
  const ScratchFolder scratch;
  run_in(scratch / "first", small_config());
  const auto refused = [&](const std::vector<std::string>& set, const std::string& expected) {
    const std::string found = error_of(small_config(from(scratch / "first", set)));
    INFO(found);
    CHECK(says(found, expected));
  };
  const std::vector<std::string> one = {R"(stages=[{"layers":4,"epochs":1}])"};
  refused({}, "best.safetensors: holds 4 layers, expected 2 to the 2 of the first stage (stages.0.layers)");
  refused(joined(one, {"model.width=9"}), "tensor \"W1\" is 16 × 24, expected 9 × 24 (model.width)");
  refused(joined(one, {"dataset.hops=3"}),
          "tensor \"W1\" is 16 × 24, expected 16 × 36 (12 features × 3 of dataset.hops, which was 2)");
  refused(joined(one, {"dataset.generate.classes=4"}), "tensor \"W4\" is 3 × 16, expected 4 × 16");
  refused(joined(one, {"train.from=" + (scratch / "none").string()}), "none: no such file (train.from)");
  fs::create_directory(scratch / "empty");
  refused(joined(one, {"train.from=" + (scratch / "empty").string()}), "empty: is not a run folder");
  REQUIRE(train_until(scratch / "cut", small_config(), 5).interrupted);
  refused(joined(one, {"train.from=" + (scratch / "cut").string()}),
          "best.safetensors: no such file: the run is not finished");
  write_file_atomic(scratch / "text", "weights");
  refused(joined(one, {"train.from=" + (scratch / "text").string()}), "text: ");
  SavedModel nan = load_model(scratch / "first/best.safetensors");
  nan.network[2].w(1, 2) = std::nanf("");
  write_model(scratch / "nan.safetensors", nan, 3);
  refused(joined(one, {"train.from=" + (scratch / "nan.safetensors").string()}),
          "nan.safetensors: layer 3: W is not finite");
}

TEST_CASE("what gives weights their meaning is compared with the new config") {
  const ScratchFolder scratch;
  run_in(scratch / "first", small_config());
  Recorder recorder;
  run_in(scratch / "second",
         small_config(from(scratch / "first", {R"(stages=[{"layers":4,"epochs":1}])", "model.activation=tanh",
                                               "dataset.operator=random_walk"})),
         {}, &recorder);
  REQUIRE(recorder.warnings.size() >= 2);
  CHECK(says(recorder.warnings[0], "`model.activation` is \"tanh\", but the weights of "));
  CHECK(says(recorder.warnings[1], "`dataset.operator` is \"random_walk\""));
}

TEST_CASE("a warm run has the same bits on any number of workers, resumed, and repeated from its config.json") {
  for (const char* hops : {"dataset.hops=2", "dataset.hops=12"}) {
    const ScratchFolder scratch;
    const std::vector<std::string> common = {hops, "method.update=exact"};
    run_in(scratch / "first", small_config(joined(common, {"dataset.generate.seed=3"})));
    const std::vector<std::string> warm =
        from(scratch / "first", joined(common, {"stages.0.layers=4", "stages.1.layers=5"}));
    run_in(scratch / "whole", small_config(warm));
    REQUIRE(metrics_of(scratch / "whole").size() == 20);
    run_in(scratch / "three", small_config(joined(warm, {"devices=cpu:3"})));
    CHECK(metrics_of(scratch / "three") == metrics_of(scratch / "whole"));
    run_in(scratch / "again", load_config(scratch / "whole/config.json"));
    CHECK(metrics_of(scratch / "again") == metrics_of(scratch / "whole"));
    REQUIRE(train_until(scratch / "cut", small_config(warm), 7).interrupted);
    fs::remove_all(scratch / "first");  // the run has kept what it started from
    Recorder recorder;
    resume(RunFolder::open_to_train(scratch / "cut"), recorder);
    INFO(hops);
    CHECK(metrics_of(scratch / "cut") == metrics_of(scratch / "whole"));
    CHECK(read_file(scratch / "cut/best.safetensors") == read_file(scratch / "whole/best.safetensors"));
  }
}

}  // namespace gamlp::test
