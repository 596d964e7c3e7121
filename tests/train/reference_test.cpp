// Whole training runs, growth included, against the double reference: what metrics.jsonl says, and p, q, u, z, v and
// the weights, after every epoch.
#include "tests/train/reference_run.hpp"

namespace gamlp::test {
namespace {

using reference::Codec;

std::vector<std::string> codec_keys(const std::string& tensor, const Codec& codec) {
  const std::string at = "exchange." + tensor + ".";
  const char* ranges[] = {"fixed", "tensor", "block"};
  std::vector<std::string> keys = {
      at + "bits=" + std::to_string(codec.bits), at + "coding=" + (codec.difference ? "difference" : "value"),
      at + "range=" + ranges[codec.range], at + "rounding=" + (codec.stochastic ? "stochastic" : "nearest"),
      at + "error_feedback=" + (codec.feedback ? "true" : "false")};
  if (codec.range == Codec::block) keys.push_back(at + "block=" + std::to_string(codec.block_size));
  if (codec.range == Codec::fixed) {
    keys.push_back(at + "grid.min=" + std::to_string(codec.grid_min));
    keys.push_back(at + "grid.max=" + std::to_string(codec.grid_max));
    keys.push_back(at + "grid.levels=" + std::to_string(codec.grid_levels));
  }
  return keys;
}

Codec values(int bits, Codec::Ranges range = Codec::tensor) {
  Codec codec;
  codec.bits = bits, codec.range = range;
  return codec;
}
Codec differences(int bits, Codec::Ranges range = Codec::tensor) {
  Codec codec = values(bits, range);
  codec.difference = true;
  return codec;
}
Codec stochastic(Codec codec) {
  codec.stochastic = true;
  return codec;
}
Codec feedback(Codec codec) {
  codec.feedback = true;
  return codec;
}
Codec fixed_grid() {
  Codec codec = values(8, Codec::fixed);
  codec.grid_min = -1.0, codec.grid_max = 3.0, codec.grid_levels = 41;
  return codec;
}

// Every coding with both updates; and what else changes the arithmetic of a run, once each.
std::vector<ReferenceCase> cases() {
  struct Coding {
    const char* name;
    Codec p, q;
  };
  const Coding codings[] = {
      {"float32", values(32), values(32)},
      {"8-bit values", values(8), values(8)},
      {"p alone in 8 bits", values(8), values(32)},
      {"q alone in 8 bits", values(32), values(8)},
      {"8-bit p, 16-bit q", values(8), values(16)},
      {"8-bit values in blocks", values(8, Codec::block), values(8, Codec::block)},
      {"a fixed grid", fixed_grid(), fixed_grid()},
      {"4-bit differences", differences(4), differences(4)},
      {"2-bit differences in blocks, stochastic", stochastic(differences(2, Codec::block)),
       stochastic(differences(2, Codec::block))},
      {"4-bit values with error feedback", feedback(values(4)), feedback(values(4))},
      {"1-bit differences", differences(1), differences(1)},
  };
  std::vector<ReferenceCase> all;
  for (const Update update : {Update::gradient, Update::exact}) {
    for (const Coding& coding : codings) {
      // A 1-bit tracker is outrun by the exact blocks: nothing to compare.
      if (update == Update::exact && coding.p.bits == 1) continue;
      ReferenceCase one{coding.name, update, {}, coding.p, coding.q, {}, false, {}, 0.1, 0.0, 2};
      all.push_back(one);
    }
    ReferenceCase wide{
        "fewer training nodes than inputs", update, {}, values(8), values(8), {}, false, {}, 0.1, 0.0, 7};
    all.push_back(wide);
    ReferenceCase other{"random walk, leaky ReLU, decay of all layers",
                        update,
                        {"dataset.operator=random_walk", "model.activation=leaky_relu", "model.leaky_slope=0.125",
                         "method.weight_decay=0.02", "devices=cpu:2"},
                        differences(8),
                        differences(8),
                        {},
                        true,
                        {reference::Activation::leaky, 0.125},
                        0.1,
                        0.02,
                        3};
    all.push_back(other);
    ReferenceCase scheduled{"a schedule of bits",
                            update,
                            {R"(exchange.schedule=[{"epoch":0,"bits":16},{"epoch":5,"bits":4}])"},
                            differences(8),
                            differences(8),
                            {{0, 16}, {5, 4}},
                            false,
                            {},
                            0.1,
                            0.0,
                            2};
    all.push_back(scheduled);
  }
  return all;
}

Config config_of(const ReferenceCase& which) {
  std::vector<std::string> overrides = {
      std::string("method.update=") + (which.update == Update::exact ? "exact" : "gradient"),
      "method.nu=0.01",
      which.update == Update::exact ? "method.rho=0.01" : "method.rho=0.006",  // exact: equal by definition
      "method.init_scale_first=0.3",  // so that classes are told apart from the first epoch on
      "method.exact.kappa=0.05",
      "method.weight_decay_first=" + std::to_string(which.decay_first),
      "dataset.hops=" + std::to_string(which.hops),
      "model.width=9",
      "stages.0.epochs=12",
      "stages.1.epochs=12",
      "stages.1.start=last",
      "train.stop.residual=1e-12",  // ends nothing, but the dual residual is then recorded
      "train.checkpoint_every=1"};
  overrides = joined(joined(overrides, codec_keys("p", which.p)), codec_keys("q", which.q));
  return small_config(joined(overrides, which.overrides));
}

// The largest distance of two runs' facts, by epoch and name.
using Distances = std::map<std::string, double>;
void widen(Distances& distances, const EpochFacts& a, const EpochFacts& b) {
  const auto note = [&](const std::string& name, double distance) {
    distances[name] = std::max(distances[name], distance);
  };
  for (const auto& [name, values] : a.variables) {
    for (std::size_t i = 0; i < values.size(); ++i) note(name, std::abs(values[i] - b.variables.at(name)[i]));
  }
  note("objective", std::abs(a.objective - b.objective));
  note("residual", std::abs(a.residual - b.residual));
  note("relative_residual", std::abs(a.relative_residual - b.relative_residual));
  note("dual_residual", std::abs(a.dual_residual - b.dual_residual));
  note("risk", std::abs(a.risk - b.risk));
  for (std::size_t part = 0; part < 3; ++part) {
    note("scores" + std::to_string(part), reference::largest(reference::sum(a.scores[part], b.scores[part], -1.0)));
  }
}

// `inexact`: what the program may leave out on purpose. 4e-6: float32 sums.
void check_number(const char* name, const nlohmann::json& line, double expected, double response, double inexact = 0) {
  INFO(name << " is " << line[name] << ", expected " << expected << ", rounding explains " << response);
  CHECK(std::abs(line[name].get<double>() - expected) <= kMargin * response + inexact + 4e-6 * std::abs(expected));
  CHECK(response <= 1e-2 * std::abs(expected) + 1e-3);  // else this would test nothing
}

// Nodes whose two best classes are nearer to each other than rounding may be decided either way; in the first, `fresh`,
// epochs these are many.
void check_accuracy(const char* name, const nlohmann::json& line, const reference::Dense& scores,
                    const std::vector<int>& labels, double response, bool fresh) {
  int correct = 0, open = 0;
  for (reference::Index i = 0; i < scores.rows; ++i) {
    reference::Index best = 0;
    for (reference::Index j = 1; j < scores.cols; ++j) {
      if (scores(i, j) > scores(i, best)) best = j;
    }
    double gap = HUGE_VAL;
    for (reference::Index j = 0; j < scores.cols; ++j) {
      if (j != best) gap = std::min(gap, scores(i, best) - scores(i, j));
    }
    correct += best == labels[static_cast<std::size_t>(i)] ? 1 : 0;
    open += gap <= 2.0 * kMargin * response ? 1 : 0;
  }
  const double nodes = static_cast<double>(labels.size());
  INFO(name << " is " << line[name] << ", expected " << correct << " of " << labels.size() << ", open " << open);
  CHECK(std::abs(line[name].get<double>() * nodes - correct) <= open + 1e-6);
  if (!fresh) CHECK(open <= 0.1 * nodes);
}

int bits_at(const ReferenceCase& which, const Codec& codec, std::int64_t stage_epoch) {
  int bits = codec.bits;
  for (const auto& [from, scheduled] : which.schedule) {
    if (stage_epoch > from) bits = scheduled;
  }
  return bits;
}

std::uint64_t message_bytes(const Codec& codec, int bits, std::uint64_t values) {
  const auto padded = [](std::uint64_t bytes) { return (bytes + 15) / 16 * 16; };
  if (bits == 32) return padded(values * 4);
  const std::uint64_t groups =
      codec.range == Codec::fixed ? 0
      : codec.range == Codec::block
          ? (values + static_cast<std::uint64_t>(codec.block_size) - 1) / static_cast<std::uint64_t>(codec.block_size)
          : 1;
  return padded(groups * (codec.difference ? 4 : 8)) + padded((values * static_cast<std::uint64_t>(bits) + 7) / 8);
}

// That the codes which the reference took over from the run were right.
void check_codes(const reference::Channel& way, double response) {
  if (!way.codec.quantized()) return;
  INFO("a code was farther from its value than allowed by " << way.excess);
  CHECK(way.excess <= kMargin * response);
  if (!way.codec.stochastic || way.variance == 0.0) return;
  INFO("stochastic rounding is off by " << way.bias << " steps in all, with a variance of " << way.variance);
  CHECK(std::abs(way.bias) <= 4.5 * std::sqrt(way.variance));
  CHECK(way.variance > 100.0);
}

void check_run(const ReferenceCase& which) {
  INFO((which.update == Update::exact ? "exact, " : "gradient, ") << which.name);
  const ScratchFolder scratch;
  const Config config = config_of(which);
  const ReferenceRun run(which, config);
  std::vector<reference::Variables> states;
  const auto keep = [&](std::int64_t epoch) {
    states.push_back(run.seen(load_checkpoint(checkpoint_path(scratch / "run/checkpoints", epoch)).state));
  };
  TrainOptions options;
  options.before_iteration = [&](int rank, std::int64_t epoch) {
    if (rank == 0 && epoch > 1) keep(epoch - 1);
  };
  run_in(scratch / "run", config, options);
  keep(24);
  REQUIRE(states.size() == 24);
  std::vector<nlohmann::json> lines;
  for (const std::string& line : lines_of(scratch / "run/metrics.jsonl")) lines.push_back(nlohmann::json::parse(line));
  REQUIRE(lines.size() == 24);

  std::vector<reference::State> ends;  // of the stages
  const std::vector<EpochFacts> expected = run.facts(states, nullptr, &ends);
  std::vector<Distances> responses(expected.size());
  for (std::uint64_t trial = 0; trial < 3; ++trial) {
    Random random(random_key(trial, 6));
    const std::vector<EpochFacts> noisy = run.facts(states, &random);
    for (std::size_t k = 0; k < noisy.size(); ++k) widen(responses[k], expected[k], noisy[k]);
  }

  double coded_response = 0.0;
  for (std::size_t k = 0; k < expected.size(); ++k) {
    INFO("epoch " << k + 1);
    for (const auto& [name, values] : expected[k].variables) {
      if (!states[k].contains(name)) continue;  // the kernel form of layer 1
      double worst = 0.0, size = 0.0;
      for (std::size_t i = 0; i < values.size(); ++i) {
        worst = std::max(worst, std::abs(states[k].at(name)[i] - values[i]));
        size = std::max(size, std::abs(values[i]));
      }
      const double response = responses[k].at(name);
      INFO(name << " is off by " << worst << ", rounding explains " << response << ", largest entry " << size);
      CHECK(worst <= kMargin * response + 0x1p-22 * size);
      CHECK(response <= 1e-2 * size + 1e-3);
      if (name[0] == 'p' || name[0] == 'q' || name[0] == 'z') coded_response = std::max(coded_response, response);
    }
    // The softmax steps end at a gradient of 1e-6, 1e-6/ν short of the minimum; the risk's slope in z is at most √2
    // times the risk itself (of a node with probability s of its class: √2 (1 − s) <= −√2 log s).
    const double short_of_it = std::sqrt(2.0) * expected[k].risk * 1e-6 / 0.01;
    check_number("objective", lines[k], expected[k].objective, responses[k]["objective"], short_of_it);
    check_number("residual", lines[k], expected[k].residual, responses[k]["residual"]);
    check_number("relative_residual", lines[k], expected[k].relative_residual, responses[k]["relative_residual"]);
    check_number("dual_residual", lines[k], expected[k].dual_residual, responses[k]["dual_residual"]);
    check_number("risk", lines[k], expected[k].risk, responses[k]["risk"], short_of_it);
    const char* names[] = {"train_accuracy", "validation_accuracy", "test_accuracy"};
    for (std::size_t part = 0; part < 3; ++part) {
      check_accuracy(names[part], lines[k], expected[k].scores[part], run.labels()[part],
                     responses[k]["scores" + std::to_string(part)], k < 2);
    }
    const auto stage_epoch = lines[k]["stage_epoch"].get<std::int64_t>();
    const int p_bits = bits_at(which, which.p, stage_epoch), q_bits = bits_at(which, which.q, stage_epoch);
    CHECK(lines[k]["bits"] == nlohmann::json({{"p", p_bits}, {"q", q_bits}}));
    if (stage_epoch == 1) continue;
    const auto sent = lines[k]["bytes_sent"].get<std::uint64_t>() - lines[k - 1]["bytes_sent"].get<std::uint64_t>();
    const auto coded = static_cast<std::uint64_t>(run.labels()[0].size()) * 9;
    CHECK(sent == (config.devices == "cpu:1"
                       ? 0
                       : message_bytes(which.p, p_bits, coded) + message_bytes(which.q, q_bits, coded)));
  }
  for (const reference::State& end : ends) {
    INFO("a z took a side that is worse by " << end.excess << ", rounding explains " << coded_response);
    CHECK(end.excess <= kMargin * coded_response);
    for (const reference::Layer& l : end.layers) {
      check_codes(l.p_way, coded_response);
      check_codes(l.q_way, coded_response);
    }
  }
}

}  // namespace

TEST_CASE("whole runs equal the reference in every epoch") {
  for (const ReferenceCase& which : cases()) check_run(which);
}

}  // namespace gamlp::test
