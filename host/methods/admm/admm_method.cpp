#include "host/methods/admm/admm_method.hpp"

#include <algorithm>
#include <bit>
#include <nlohmann/json.hpp>

#include "host/config/check.hpp"
#include "host/config/enums.hpp"
#include "host/core/error.hpp"
#include "host/core/number_text.hpp"
#include "host/methods/admm/admm_input.hpp"
#include "host/methods/admm/admm_program.hpp"
#include "host/methods/admm/admm_scalars.hpp"
#include "host/methods/admm/few_bits.hpp"

namespace gamlp {
namespace {

// A worker moves about so many floats per value and iteration.
constexpr double kAdmmFloats = 30.0;

std::string codec_text(const CodecConfig& codec) {
  if (codec.bits == 32) return "float32";
  std::string text = std::to_string(codec.bits) + "-bit ";
  text += codec.coding == Coding::difference ? "differences" : "values";
  if (codec.range == Range::block) text += " in blocks of " + std::to_string(codec.block);
  if (codec.range == Range::fixed) text += " on a fixed grid";
  if (codec.rounding == Rounding::stochastic) text += ", stochastic rounding";
  if (codec.error_feedback) text += ", error feedback";
  return text;
}

std::string json_text(double value) { return nlohmann::json(value).dump(); }

bool decays_inner_layers(const AdmmConfig& admm) {
  if (!admm.weight_decay_layers) return admm.weight_decay > 0.0;
  const auto& decay = *admm.weight_decay_layers;
  return decay.size() > 1 && std::any_of(decay.begin() + 1, decay.end(), [](double mu) { return mu > 0.0; });
}

std::string or_auto(const std::optional<double>& value) { return value ? short_number(*value) : "auto"; }

struct NamedScalar {
  AdmmScalar which;
  const char* name;
};
// In the order in which a layer's step computes them, so that the first bad one names the cause.
constexpr NamedScalar kChecked[] = {{kGradientP2, "the gradient of p"},
                                    {kGradientW2, "the gradient of W"},
                                    {kLinear2, "z − W p − b"},
                                    {kRisk, "the risk of z"},
                                    {kFit2, "q − f(z)"},
                                    {kDualGap, "u"},
                                    {kGap2, "p − q"},
                                    {kWeight2, "W"}};

void expect_finite(const double* scalars, int layer, std::int64_t epoch) {
  for (const NamedScalar& checked : kChecked) {
    if (std::isfinite(scalars[checked.which])) continue;
    throw DivergenceError(
        "training diverged at epoch " + std::to_string(epoch) + ", layer " + std::to_string(layer) + ": " +
        checked.name +
        " is not finite; try a smaller method.nu, more bits, coding \"difference\", or features on one scale "
        "(dataset.standardize)");
  }
}

}  // namespace

double weight_decay_of(const AdmmConfig& admm, int layer, int layers) {
  if (admm.weight_decay_layers) {
    const auto& values = *admm.weight_decay_layers;
    const std::size_t last = values.size() - 1;
    return layer == layers ? values[last] : values[std::min(static_cast<std::size_t>(layer - 1), last)];
  }
  return layer == 1 ? *admm.weight_decay_first : admm.weight_decay;
}

AdmmMethod::AdmmMethod(const AdmmConfig& admm, const ExchangeConfig& exchange)
    : Method(kAdmmScalars), admm_(admm), exchange_(exchange) {}

std::vector<std::string> AdmmMethod::keys() const { return keys_of<AdmmConfig>(); }

std::vector<std::string> AdmmMethod::problems(const Config& config) const {
  std::vector<std::string> out;
  if (admm_.update == Update::exact && admm_.nu && admm_.rho && *admm_.nu != *admm_.rho) {
    out.push_back("`method.rho` is " + json_text(*admm_.rho) + " and `method.nu` " + json_text(*admm_.nu) +
                  ": must be equal with `method.update` \"exact\"");
  }
  if (!admm_.weight_decay_layers) return out;
  const auto& decay = *admm_.weight_decay_layers;
  if (decay.empty()) out.push_back("`method.weight_decay_layers` is empty: must have one entry per layer, or be null");
  for (std::size_t i = 0; i < decay.size(); ++i) {
    if (!(decay[i] >= 0.0)) {
      out.push_back("`method.weight_decay_layers." + std::to_string(i) + "` is " + json_text(decay[i]) +
                    ": must be at least 0");
    }
  }
  const auto& stages = config.stages;
  if (!decay.empty() && !stages.empty() && static_cast<std::int64_t>(decay.size()) != stages.back().layers) {
    out.push_back("`method.weight_decay_layers` has " + std::to_string(decay.size()) +
                  " entries: must have one for each of the " + std::to_string(stages.back().layers) +
                  " layers of the last stage");
  }
  return out;
}

std::vector<std::string> AdmmMethod::warnings(const Config& config) const {
  std::vector<std::string> out = few_bits_warnings(config, admm_.update);
  const std::int64_t end = longest_stage(config);
  for (std::size_t i = 0; i < config.exchange.schedule.size(); ++i) {
    const std::int64_t epoch = config.exchange.schedule[i].epoch;
    if (epoch < end) continue;
    out.push_back("`exchange.schedule." + std::to_string(i) + ".epoch` is " + std::to_string(epoch) +
                  ": never reached, the longest stage has " + std::to_string(end) + " epochs");
  }
  if (admm_.update == Update::automatic && admm_.nu && admm_.rho && *admm_.nu != *admm_.rho) {
    out.push_back(
        "`method.rho` differs from `method.nu`, which the exact update does not allow; give `method.update` "
        "\"gradient\" rather than \"auto\"");
  }
  if (decays_inner_layers(admm_) && !config.stages.empty() && config.stages.back().layers >= 5) {
    out.push_back(
        "weight decay beyond layer 1 (`method.weight_decay`, `method.weight_decay_layers`) collapses deep "
        "networks; decay the first layer only");
  }
  return out;
}

void AdmmMethod::resolve(MethodConfig& method, const ModelConfig& model, const ProblemShape& shape,
                         std::string* why) const {
  AdmmConfig m = admm_;
  if (m.update == Update::automatic) {
    // The exact blocks cost 4.5 products of 2n²V per layer and 7n³ for the factorisations: worth it, and
    // needed for accuracy, once there are several training nodes per neuron (docs/algorithm.md §4).
    const bool exact = shape.train_nodes >= 4 * model.width;
    m.update = exact ? Update::exact : Update::gradient;
    if (why) {
      *why = std::string("update ") + (exact ? "exact" : "gradient") + ": " + std::to_string(shape.train_nodes) +
             " training nodes are " + (exact ? "at least" : "fewer than") + " 4 × the width of " +
             std::to_string(model.width);
    }
  }
  const bool exact = m.update == Update::exact;
  if (!m.nu) m.nu = m.rho ? *m.rho : (exact ? 1e-3 : 1e-2);
  if (!m.rho) m.rho = *m.nu;
  if (exact && *m.rho != *m.nu) {
    throw ConfigError("method.rho: is " + number_text(*m.rho) + " and method.nu is " + number_text(*m.nu) +
                      ": the exact update needs them equal");
  }
  if (!m.weight_decay_first) m.weight_decay_first = std::min(10.0 * *m.nu, kLargestWeightDecay);
  set_options(method, m);
}

std::string AdmmMethod::text() const {
  std::string text = "update " + std::string(name_of(admm_.update)) + ", ";
  text += *admm_.rho == *admm_.nu ? "rho = nu = " + short_number(*admm_.nu)
                                  : "nu = " + short_number(*admm_.nu) + ", rho = " + short_number(*admm_.rho);
  return text + ", p/q " + std::to_string(exchange_.p.bits) + "/" + std::to_string(exchange_.q.bits) + " bits";
}

std::vector<std::pair<std::string, std::string>> AdmmMethod::summary() const {
  std::vector<std::pair<std::string, std::string>> lines;
  lines.emplace_back("method", "update " + std::string(name_of(admm_.update)) + ", nu " + or_auto(admm_.nu) + ", rho " +
                                   or_auto(admm_.rho));
  lines.emplace_back("exchange", "p: " + codec_text(exchange_.p) + "; q: " + codec_text(exchange_.q));
  for (const BitScheduleEntry& entry : exchange_.schedule) {
    lines.emplace_back("",
                       "from epoch " + grouped(entry.epoch) + " of a stage: " + std::to_string(entry.bits) + " bits");
  }
  return lines;
}

nlohmann::ordered_json AdmmMethod::report() const {
  return {{"update", name_of(admm_.update)}, {"bits", {{"p", exchange_.p.bits}, {"q", exchange_.q.bits}}}};
}

InputKind AdmmMethod::choose_input(const ProblemShape& shape, std::int64_t width, std::int64_t epochs,
                                   std::string* why) const {
  if (!exact()) return plain_or_qr(shape, width, epochs, why);
  if (shape.shards == 1) return plain_or_kernel(shape, why);
  if (why != nullptr && plain_or_kernel(shape, nullptr) == InputKind::kernel) {
    *why = "layer 1 on all " + std::to_string(shape.inputs) +
           " inputs: its V × V form needs all training nodes on one device (partition.shards 1)";
  }
  return InputKind::plain;
}

namespace {

constexpr std::int64_t kLeastNodes = 2048, kMostBlocks = 16;

}  // namespace

std::string AdmmMethod::blocks_text(std::int64_t nodes) const {
  return "the blocks of " + grouped(nodes) + " training nodes (a power of two up to " + std::to_string(kMostBlocks) +
         ", of at least " + grouped(kLeastNodes) + " nodes each)";
}

int AdmmMethod::blocks(std::int64_t nodes) const {
  const auto wanted = static_cast<std::uint64_t>(std::clamp<std::int64_t>(nodes / kLeastNodes, 1, kMostBlocks));
  return static_cast<int>(std::bit_floor(wanted));
}

// The most are those of ops::QDual and ops::ZqExact, each with the feedback of quantisation; or of a product of
// layer 1.
std::int64_t AdmmMethod::values_of_op(const std::vector<std::int64_t>& widths) const {
  const std::int64_t widest = *std::max_element(widths.begin() + 1, widths.end());
  return std::max((exact() ? 8 : 5) * widest, widths[0] + widths[1]);
}

double AdmmMethod::moved_floats(std::int64_t, std::int64_t m, std::int64_t nodes) const {
  return kAdmmFloats * static_cast<double>(nodes) * static_cast<double>(m);
}

// docs/algorithm.md §3 and §4: four products per layer with the gradient update; three, the Gram matrix, and the
// factorisations of two n × n matrices with the exact one; fewer for layer 1.
double AdmmMethod::product_flops(std::int64_t n, std::int64_t m, std::int64_t nodes, bool first,
                                 InputKind input) const {
  const double inputs = static_cast<double>(n), outputs = static_cast<double>(m), v = static_cast<double>(nodes);
  const double product = 2.0 * inputs * outputs * v;
  if (first && input == InputKind::kernel) return 2.0 * v * v * outputs;
  if (first) return 2.0 * product + (exact() ? 2.0 * inputs * inputs * outputs : 0.0);
  if (!exact()) return 4.0 * product;
  return 3.0 * product + inputs * inputs * (3.0 * v + 3.0 * inputs + 4.0 * outputs);
}

std::vector<BoundaryMessage> AdmmMethod::messages(std::int64_t nodes, std::int64_t width, std::int64_t epoch) const {
  const std::int64_t scheduled = scheduled_bits(exchange_, epoch);
  const WireFormat p = wire_format(exchange_.p, scheduled), q = wire_format(exchange_.q, scheduled);
  const Parts all = block_nodes(nodes, blocks(nodes));
  const auto bytes = [&](const WireFormat& format) {
    std::int64_t sum = 0;
    for (int i = 0; i < all.count(); ++i) sum += format.message_bytes(all.size(i) * width);
    return sum;
  };
  return {{"p", false, p.bits, bytes(p)}, {"q", true, q.bits, bytes(q)}};
}

std::vector<BoundaryMessage> AdmmMethod::messages_at_start(std::int64_t nodes, std::int64_t width) const {
  return {{"q", true, 32, nodes * width * static_cast<std::int64_t>(sizeof(float))}};
}

std::vector<std::int64_t> AdmmMethod::message_changes(std::int64_t) const {
  std::vector<std::int64_t> epochs = {0};
  for (const BitScheduleEntry& entry : exchange_.schedule) {
    if (entry.epoch > 0) epochs.push_back(entry.epoch);
  }
  return epochs;
}

// Message buffers keep the size that the whole schedule asks for.
std::shared_ptr<const Method> AdmmMethod::frozen_at(std::int64_t epoch, std::int64_t) const {
  constexpr std::int64_t kNever = std::int64_t{1} << 40;
  ExchangeConfig exchange = exchange_;
  const std::int64_t bits = scheduled_bits(exchange, epoch);
  for (BitScheduleEntry& entry : exchange.schedule) entry.epoch += kNever;
  if (bits > 0) exchange.schedule.insert(exchange.schedule.begin(), {0, bits});
  return std::make_shared<AdmmMethod>(admm_, exchange);
}

TrainingFigures AdmmMethod::figures(const StageSpec& spec, const std::vector<double>& scalars,
                                    std::int64_t epoch) const {
  const int layers = spec.layers();
  const double nu = *admm_.nu, rho = *admm_.rho, nu2 = admm_nu2(admm_);
  double objective = 0, residual = 0, q2 = 0, step2 = 0;
  for (int l = 1; l <= layers; ++l) {
    const double* s = scalars.data() + static_cast<std::ptrdiff_t>(l - 1) * kAdmmScalars;
    expect_finite(s, l, epoch);
    objective += s[kRisk] + 0.5 * nu * s[kLinear2] + 0.5 * weight_decay_of(admm_, l, layers) * s[kWeight2];
    if (l < layers) objective += 0.5 * nu2 * s[kFit2] + s[kDualGap] + 0.5 * rho * s[kGap2];
    residual += s[kGap2];
    q2 += s[kQ2];
    if (spec.dual_residual && l < layers) step2 += s[kQStep2];
  }
  TrainingFigures figures;
  figures.objective = objective;
  figures.residual = residual;
  figures.relative_residual = q2 > 0 ? residual / q2 : 0.0;
  if (spec.dual_residual) figures.dual_residual = q2 > 0 ? step2 / q2 : 0.0;
  figures.risk = scalars[static_cast<std::size_t>(layers - 1) * kAdmmScalars + kRisk];
  return figures;
}

std::unique_ptr<DeviceInput> AdmmMethod::create_input(const DeviceContext& context, const StageSpec& spec, int rank,
                                                      const InputShape& shape) const {
  return std::make_unique<AdmmInput>(context, spec, rank, shape, admm_);
}

std::unique_ptr<StageProgram> AdmmMethod::create_program(const DeviceContext& context, const StageSpec& spec, int rank,
                                                         DeviceInput* input) const {
  return std::make_unique<AdmmProgram>(context, spec, rank, dynamic_cast<AdmmInput*>(input), admm_, exchange_);
}

namespace {

// Codecs beside 8-bit values, whose ops are measured at one size.
std::vector<CodecConfig> other_codecs() {
  std::vector<CodecConfig> all;
  for (const std::int64_t bits : {1, 2, 4, 8, 16, 32}) {
    for (const Coding coding : {Coding::value, Coding::difference}) {
      for (const Range range : {Range::tensor, Range::block, Range::fixed}) {
        for (const Rounding rounding : {Rounding::nearest, Rounding::stochastic}) {
          CodecConfig codec;
          codec.bits = bits, codec.coding = coding, codec.range = range, codec.rounding = rounding;
          codec.grid.levels = std::int64_t{1} << std::min<std::int64_t>(bits, 4);
          const bool plain = coding == Coding::value && range == Range::tensor && rounding == Rounding::nearest;
          if (range == Range::fixed && (coding == Coding::difference || bits < 2)) continue;
          if (bits == 32 ? !plain : bits == 8 && plain) continue;
          all.push_back(codec);
        }
      }
    }
  }
  return all;
}

}  // namespace

std::vector<std::pair<std::string, Config>> AdmmMethod::lighter(const Config& config) const {
  std::vector<std::pair<std::string, Config>> all;
  if (exact()) {
    Config other = config;
    AdmmConfig admm = options_of<AdmmConfig>(config.method);
    admm.update = Update::gradient;
    set_options(other.method, admm);
    all.emplace_back("method.update=gradient", std::move(other));
  }
  if (config.exchange.p.bits > 8 || config.exchange.q.bits > 8) {
    Config other = config;
    other.exchange.p.bits = other.exchange.q.bits = 8;
    all.emplace_back("exchange.p.bits=8 and exchange.q.bits=8", std::move(other));
  }
  return all;
}

std::vector<Calibration> AdmmMethod::calibrations(bool quick) const {
  std::vector<Calibration> all;
  for (const Update update : {Update::gradient, Update::exact}) {
    MethodConfig method;
    AdmmConfig admm;
    admm.update = update;
    set_options(method, admm);
    const ExchangeConfig bits8;
    all.push_back({Calibration::Sizes::all, method, bits8});
    if (!quick) all.push_back({Calibration::Sizes::large, method, bits8});
    for (const CodecConfig& codec : other_codecs()) {
      all.push_back({Calibration::Sizes::one, method, {codec, codec, {}}});
    }
  }
  return all;
}

}  // namespace gamlp
