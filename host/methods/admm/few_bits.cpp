#include "host/methods/admm/few_bits.hpp"

#include <algorithm>
#include <utility>

#include "host/config/check.hpp"
#include "host/config/enums.hpp"

namespace gamlp {
namespace {

FewBits of_values(const CodecConfig& codec, std::int64_t bits, Update update) {
  // What rounding to nearest leaves alone, random rounding and fed-back errors add to p and q in every iteration.
  if (codec.rounding == Rounding::stochastic || codec.error_feedback) return FewBits::unsafe;
  if (update == Update::exact || codec.range == Range::fixed) return FewBits::unsafe;
  if (codec.range == Range::tensor) return bits == 4 ? FewBits::costs : FewBits::unsafe;
  return bits == 1 ? FewBits::costs : FewBits::near;
}

FewBits of_differences(const CodecConfig& codec, std::int64_t bits, Update update) {
  const bool nearest = codec.rounding == Rounding::nearest, block = codec.range == Range::block;
  if (bits == 4) return FewBits::near;
  if (bits == 1) return update == Update::exact ? FewBits::costs : FewBits::near;
  if (nearest && block) return FewBits::near;
  const bool outrun = update == Update::exact || (!nearest && !block);  // the differences outgrow what 2 bits can say
  return outrun ? FewBits::unsafe : FewBits::near;
}

std::string described(const CodecConfig& codec) {
  std::string text = codec.coding == Coding::difference ? "differences" : "values";
  text += codec.rounding == Rounding::stochastic ? ", stochastic rounding" : ", nearest rounding";
  if (codec.error_feedback) text += ", error feedback";
  return text + ", range \"" + std::string(name_of(codec.range)) + "\"";
}

// The worst that the codec runs into, at its fewest bits.
struct Worst {
  FewBits what = FewBits::near;
  std::int64_t bits = 0;
  Update update = Update::gradient;
};

Worst worst_of(const Config& c, const CodecConfig& codec, Update chosen) {
  std::vector<Update> updates = {chosen};
  if (chosen == Update::automatic) updates = {Update::gradient, Update::exact};
  Worst worst;
  std::vector<std::int64_t> used = bits_used(c, codec);
  std::sort(used.begin(), used.end());
  for (const Update update : updates) {
    for (const std::int64_t bits : used) {
      const FewBits what = few_bits(codec, bits, update);
      if (what > worst.what) worst = {what, bits, update};
    }
  }
  return worst;
}

std::string warning(const std::string& name, const CodecConfig& codec, const Worst& worst, Update chosen) {
  std::string text = "`" + name + ".bits` ";
  text += (worst.bits != codec.bits ? "reaches " : "is ") + std::to_string(worst.bits);
  text += worst.bits != codec.bits ? " by `exchange.schedule`, " : ", ";
  text += described(codec) + ": ";
  text += worst.what == FewBits::costs ? "costs some points of accuracy" : "is unsafe (accuracy can collapse)";
  if (chosen == Update::automatic) {
    // Both updates where both are as bad.
    if (few_bits(codec, worst.bits, Update::gradient) != worst.what) {
      text += " with the exact update, which `method.update` \"auto\" may choose";
    }
  } else {
    text += " with `method.update` \"" + std::string(name_of(chosen)) + "\"";
  }
  if (codec.range == Range::fixed) return text + "; near float32 are 8 bits with range \"tensor\"";
  text +=
      "; near float32 are 4 bits with coding \"difference\" and rounding \"nearest\", and 2 bits with range \"block\" "
      "too";
  return text;
}

}  // namespace

FewBits few_bits(const CodecConfig& codec, std::int64_t bits, Update update) {
  if (bits >= unquantized_bits) return FewBits::near;
  // A fixed grid may be too coarse for any number of bits: its levels are given, not found.
  if (codec.range == Range::fixed && update == Update::exact) return FewBits::unsafe;
  if (bits > 4) return FewBits::near;
  return codec.coding == Coding::value ? of_values(codec, bits, update) : of_differences(codec, bits, update);
}

std::vector<std::string> few_bits_warnings(const Config& config, Update update) {
  std::vector<std::string> out;
  const std::pair<const char*, const CodecConfig*> codecs[] = {{"exchange.p", &config.exchange.p},
                                                               {"exchange.q", &config.exchange.q}};
  for (const auto& [name, codec] : codecs) {
    const Worst worst = worst_of(config, *codec, update);
    if (worst.what != FewBits::near) out.push_back(warning(name, *codec, worst, update));
  }
  return out;
}

}  // namespace gamlp
