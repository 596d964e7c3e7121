#include "host/config/check.hpp"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "host/config/device_names.hpp"
#include "host/config/enums.hpp"

namespace gamlp {
namespace {

using Lines = std::vector<std::string>;

constexpr double max_generated_values = 4e9;  // float32 features of 16 GB

struct NamedCodec {
  std::string name;
  const CodecConfig& codec;
};
std::array<NamedCodec, 2> codecs(const Config& c) {
  return {{{"exchange.p", c.exchange.p}, {"exchange.q", c.exchange.q}}};
}

std::string text(double value) { return nlohmann::json(value).dump(); }

void check_dataset(const DatasetConfig& d, Lines& out) {
  const int sources = int{d.path.has_value()} + int{d.text.has_value()} + int{d.generate.has_value()};
  if (sources != 1) {
    out.push_back("`dataset` holds " + std::to_string(sources) +
                  " of path, text and generate: exactly one of them must be given");
  }
  const SplitConfig& s = d.split;
  if (s.kind == SplitKind::file && d.text) {
    out.push_back(
        "`dataset.split.kind` is \"file\", but a text dataset holds no masks: must be \"per_class\" or \"fraction\"");
  }
  // A sum of 1 leaves no test part. It may be above 1 by a rounding error, as make_split() allows.
  if (s.kind == SplitKind::fraction && s.train_fraction + s.validation_fraction > 1.0 + 1e-9) {
    out.push_back("`dataset.split.train_fraction` + `dataset.split.validation_fraction` is " +
                  text(s.train_fraction + s.validation_fraction) + ": must be at most 1, the rest is the test part");
  }
  if (!d.generate || d.generate->shape) return;
  const GenerateConfig& g = *d.generate;
  if (g.classes > g.nodes) {
    out.push_back("`dataset.generate.classes` is " + std::to_string(g.classes) + ": must be at most the " +
                  std::to_string(g.nodes) + " nodes");
  }
  if (g.mean_degree > static_cast<double>(g.nodes - 1)) {
    out.push_back("`dataset.generate.mean_degree` is " + text(g.mean_degree) + ": must be at most one less than the " +
                  std::to_string(g.nodes) + " nodes");
  }
  if (static_cast<double>(g.nodes) * static_cast<double>(g.features) > max_generated_values) {
    out.push_back("`dataset.generate.nodes` × `dataset.generate.features` is " + std::to_string(g.nodes) + " × " +
                  std::to_string(g.features) + ": must be at most " + text(max_generated_values) + " values");
  }
  if (s.kind == SplitKind::per_class) {
    const std::int64_t wanted = s.train_per_class * g.classes + s.validation + s.test;
    if (wanted > g.nodes) {
      out.push_back("`dataset.split` asks for " + std::to_string(s.train_per_class) + " × " +
                    std::to_string(g.classes) + " training, " + std::to_string(s.validation) + " validation and " +
                    std::to_string(s.test) + " test nodes: must be at most the " + std::to_string(g.nodes) +
                    " of `dataset.generate.nodes`");
    }
  }
}

void check_stages(const Config& c, Lines& out) {
  if (c.stages.empty()) out.push_back("`stages` is empty: must have at least one entry");
  for (std::size_t i = 1; i < c.stages.size(); ++i) {
    if (c.stages[i].layers < c.stages[i - 1].layers) {
      out.push_back("`stages." + std::to_string(i) + ".layers` is " + std::to_string(c.stages[i].layers) +
                    ": must be at least the " + std::to_string(c.stages[i - 1].layers) + " of the stage before");
    }
  }
}

void check_codec(const Config& c, const NamedCodec& named, Lines& out) {
  const auto& [name, codec] = named;
  if (codec.error_feedback && codec.coding == Coding::difference) {
    out.push_back("`" + name + ".error_feedback` is true with `" + name +
                  ".coding` \"difference\": must be false, differences contain error feedback");
  }
  if (codec.coding == Coding::difference && codec.range == Range::fixed) {
    out.push_back("`" + name + ".range` is \"fixed\" with `" + name +
                  ".coding` \"difference\": must be \"tensor\" or \"block\", differences shrink below any fixed grid");
  }
  if (!(codec.grid.min < codec.grid.max)) {
    out.push_back("`" + name + ".grid.min` is " + text(codec.grid.min) + ": must be below `" + name + ".grid.max`, " +
                  text(codec.grid.max));
  }
  if (codec.range != Range::fixed) return;
  std::int64_t fewest = unquantized_bits;
  for (const std::int64_t bits : bits_used(c, codec)) fewest = std::min(fewest, bits);
  if (fewest < unquantized_bits && codec.grid.levels > (std::int64_t{1} << fewest)) {
    out.push_back("`" + name + ".grid.levels` is " + std::to_string(codec.grid.levels) + ": must be at most " +
                  std::to_string(std::int64_t{1} << fewest) + ", the codes of " + std::to_string(fewest) + " bit" +
                  (fewest == 1 ? "" : "s"));
  }
}

void check_partition(const Config& c, Lines& out) {
  if (!c.partition.layers || c.stages.empty()) return;
  std::int64_t layers = 0;
  for (std::size_t i = 0; i < c.partition.layers->size(); ++i) {
    const std::int64_t mine = (*c.partition.layers)[i];
    if (mine < 1) {
      out.push_back("`partition.layers." + std::to_string(i) + "` is " + std::to_string(mine) + ": must be at least 1");
    }
    layers += mine;
  }
  if (layers != c.stages.back().layers) {
    out.push_back("`partition.layers` adds up to " + std::to_string(layers) + " layers: must be the " +
                  std::to_string(c.stages.back().layers) + " of the last stage");
  }
}

void check_schedule(const ExchangeConfig& e, Lines& out) {
  for (std::size_t i = 1; i < e.schedule.size(); ++i) {
    if (e.schedule[i].epoch <= e.schedule[i - 1].epoch) {
      out.push_back("`exchange.schedule." + std::to_string(i) + ".epoch` is " + std::to_string(e.schedule[i].epoch) +
                    ": must be above the " + std::to_string(e.schedule[i - 1].epoch) + " of the entry before");
    }
  }
  if (!e.schedule.empty() && e.p.bits >= unquantized_bits && e.q.bits >= unquantized_bits) {
    out.push_back(
        "`exchange.schedule` has no effect while `exchange.p.bits` and `exchange.q.bits` are 32: must be empty, or "
        "give p or q fewer bits");
  }
}

// Values that a shape replaces, which someone has set all the same.
void warn_shape(const GenerateConfig& g, Lines& out) {
  const GenerateConfig defaults;
  if (!g.shape && g.scale != defaults.scale) {
    out.push_back("`dataset.generate.scale` is " + std::to_string(g.scale) +
                  ": has no effect without `dataset.generate.shape`");
  }
  const bool set = g.nodes != defaults.nodes || g.classes != defaults.classes || g.features != defaults.features ||
                   g.mean_degree != defaults.mean_degree;
  if (!g.shape || !set) return;
  out.push_back("`dataset.generate.shape` \"" + *g.shape +
                "\" replaces nodes, classes, features and mean_degree: the values given have no effect");
}

}  // namespace

std::int64_t longest_stage(const Config& config) {
  std::int64_t longest = 0;
  for (const StageConfig& stage : config.stages) longest = std::max(longest, stage.epochs);
  return longest;
}

std::vector<std::int64_t> bits_used(const Config& config, const CodecConfig& codec) {
  std::vector<std::int64_t> used;
  const auto& schedule = config.exchange.schedule;
  const bool replaced_at_once = !schedule.empty() && schedule.front().epoch == 0;
  if (codec.bits >= unquantized_bits || !replaced_at_once) used.push_back(codec.bits);
  if (codec.bits >= unquantized_bits) return used;
  const std::int64_t end = longest_stage(config);
  for (const BitScheduleEntry& entry : schedule) {
    if (entry.epoch < end) used.push_back(entry.bits);
  }
  return used;
}

std::vector<std::string> section_problems(const Config& config) {
  Lines out;
  check_dataset(config.dataset, out);
  check_stages(config, out);
  for (const NamedCodec& named : codecs(config)) check_codec(config, named, out);
  check_schedule(config.exchange, out);
  check_partition(config, out);
  return out;
}

std::vector<std::string> section_warnings(const Config& config) {
  Lines out;
  if (config.train.new_head && !config.train.from) {
    out.push_back("`train.new_head` is true: has no effect without `train.from`, every layer is new then");
  }
  const SplitConfig& split = config.dataset.split;
  if (split.kind != SplitKind::file && split.index != 0) {
    out.push_back("`dataset.split.index` is " + std::to_string(split.index) +
                  ": has no effect unless `dataset.split.kind` is \"file\", it chooses among the splits of the file");
  }
  if (config.dataset.generate) warn_shape(*config.dataset.generate, out);
  if (config.precision != ProductPrecision::float32 && named_devices(config.devices).kind == DeviceKind::cpu) {
    out.push_back("`precision` is \"" + std::string(name_of(config.precision)) +
                  "\": CPU workers compute with float32 whatever it says");
  }
  return out;
}

}  // namespace gamlp
