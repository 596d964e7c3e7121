// The exchanges of few bits that the program advises train as float32 does; those that it warns of, not.
#include <algorithm>
#include <cmath>

#include "tests/train/support.hpp"

namespace gamlp::test {
namespace {

struct Outcome {
  double accuracy = 0, residual = 0;  // at the best validation epoch; at the end
};

// Of several runs: the mean accuracy, and the extremes of the residual.
struct Outcomes {
  double accuracy = 0, least_residual = HUGE_VAL, largest_residual = 0;
};

// 100 epochs, grown to 10 layers, of a graph with 160 training nodes.
Outcome train_once(const CodecConfig& codec, const char* update, int seed) {
  const ScratchFolder scratch;
  Config config = parse_config(
      {{"dataset",
        {{"generate",
          {{"nodes", 600},
           {"classes", 4},
           {"features", 24},
           {"mean_degree", 6},
           {"feature_signal", 1.0},
           {"seed", seed}}},
         {"hops", 3},
         {"split", {{"kind", "per_class"}, {"train_per_class", 40}, {"validation", 160}, {"test", 240}}}}},
       {"model", {{"width", 32}}},
       {"stages", {{{"layers", 2}, {"epochs", 30}}, {{"layers", 5}, {"epochs", 30}}, {{"layers", 10}, {"epochs", 40}}}},
       {"method", {{"update", update}}},
       {"devices", "cpu:1"}},
      "test");
  config.exchange.p = config.exchange.q = codec;
  for (StageConfig& stage : config.stages) stage.start = StageStart::last;  // each is to show what its training does
  Recorder recorder;
  try {
    run_in(scratch / "run", config, {}, &recorder);
  } catch (const DivergenceError&) {
    return {0, HUGE_VAL};
  }
  return {json_of(scratch / "run/result.json")["test_accuracy"].get<double>(), recorder.epochs.back().residual};
}

// Of three graphs: on one, rounding alone moves the accuracy by 0.02.
Outcomes train_with(const CodecConfig& codec, const char* update) {
  Outcomes all;
  for (const int seed : {0, 1, 2}) {
    const Outcome one = train_once(codec, update, seed);
    all.accuracy += one.accuracy / 3;
    all.least_residual = std::min(all.least_residual, one.residual);
    all.largest_residual = std::max(all.largest_residual, one.residual);
  }
  return all;
}

CodecConfig codec_of(std::int64_t bits, Coding coding, Range range, Rounding rounding = Rounding::nearest) {
  CodecConfig codec;
  codec.bits = bits, codec.coding = coding, codec.range = range, codec.rounding = rounding;
  return codec;
}

}  // namespace

TEST_CASE("the few bits that are advised train as float32 does") {
  for (const char* update : {"gradient", "exact"}) {
    const Outcomes whole = train_with(codec_of(32, Coding::value, Range::tensor), update);
    CHECK(whole.accuracy > 0.7);
    for (const CodecConfig& codec :
         {codec_of(4, Coding::difference, Range::tensor), codec_of(4, Coding::difference, Range::block),
          codec_of(2, Coding::difference, Range::block)}) {
      INFO(update << ", " << codec.bits << " bits, " << (codec.range == Range::block ? "blocks" : "per tensor"));
      const Outcomes coded = train_with(codec, update);
      CHECK(coded.accuracy > whole.accuracy - 0.02);
      CHECK(coded.largest_residual < 1);
    }
  }
}

TEST_CASE("the few bits that are warned of do not") {
  CodecConfig feedback = codec_of(2, Coding::value, Range::tensor);
  feedback.error_feedback = true;
  for (const char* update : {"gradient", "exact"}) {
    const Outcomes whole = train_with(codec_of(32, Coding::value, Range::tensor), update);
    for (const CodecConfig& codec : {feedback, codec_of(2, Coding::value, Range::tensor, Rounding::stochastic),
                                     codec_of(2, Coding::difference, Range::tensor, Rounding::stochastic)}) {
      const Outcomes coded = train_with(codec, update);
      CHECK(coded.accuracy < whole.accuracy - 0.05);
      CHECK(coded.least_residual > 100);
    }
  }
}

}  // namespace gamlp::test
