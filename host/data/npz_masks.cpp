#include "host/data/npz_masks.hpp"

#include <algorithm>
#include <cctype>
#include <string>
#include <string_view>
#include <vector>

#include "host/config/suggest.hpp"
#include "host/core/error.hpp"

namespace gamlp {
namespace {

constexpr const char* mask_form = "one 0 or 1 per node";

// Names under which other programs store what this one reads, in lower case and without separators.
struct Alias {
  std::string_view wanted;
  std::vector<std::string_view> names;
};
const std::vector<Alias>& aliases() {
  static const std::vector<Alias> list = {
      {"train_mask", {"trainmasks", "trainingmask", "masktrain", "trainidx", "trainindex", "idxtrain"}},
      {"val_mask",
       {"valmasks", "validmask", "validmasks", "validationmask", "devmask", "maskval", "validx", "valididx", "idxval"}},
      {"test_mask", {"testmasks", "testingmask", "masktest", "testidx", "testindex", "idxtest"}},
      {"labels", {"label", "y", "nodelabel", "nodelabels", "target", "targets"}},
  };
  return list;
}

// The words of a name, which separators part, in lower case.
std::vector<std::string> words_of(std::string_view name) {
  std::vector<std::string> words(1);
  for (const char c : name) {
    if (c == '_' || c == '-' || c == '.') {
      words.emplace_back();
    } else {
      words.back() += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
  }
  return words;
}

std::string plain(std::string_view name) {
  std::string out;
  for (const std::string& word : words_of(name)) out += word;
  return out;
}

// Whether a word of the name, between separators, says that it is of this part: "is_val", "val_nodes".
bool has_word_for(const std::string& member, std::string_view wanted) {
  static const std::vector<Alias> parts = {{"train_mask", {"train", "training"}},
                                           {"val_mask", {"val", "valid", "validation", "dev"}},
                                           {"test_mask", {"test", "testing"}}};
  const auto part = std::find_if(parts.begin(), parts.end(), [&](const Alias& one) { return one.wanted == wanted; });
  if (part == parts.end()) return false;
  const std::vector<std::string> words = words_of(member);
  return std::find_first_of(words.begin(), words.end(), part->names.begin(), part->names.end()) != words.end();
}

bool means(const std::string& member, const std::string& wanted) {
  const std::string name = plain(member);
  if (name == plain(wanted) || has_word_for(member, wanted)) return true;
  for (const Alias& alias : aliases()) {
    if (alias.wanted != wanted) continue;
    if (std::find(alias.names.begin(), alias.names.end(), name) != alias.names.end()) return true;
  }
  const std::vector<std::string> known = {"train_mask", "val_mask", "test_mask"};
  return name.ends_with("mask") && closest_match(member, known) == wanted;
}

[[noreturn]] void bad_shape(const NpyArray& array, std::int64_t nodes) {
  const auto& shape = array.header().shape;
  const std::int64_t found = shape.size() == 1 ? shape[0] : 0;
  const std::string expected = ", expected " + std::to_string(nodes);
  if (shape.size() == 1) throw DataError(array.where() + ": found " + std::to_string(found) + " entries" + expected);
  throw DataError(array.where() + ": found shape " + array.header().shape_text() + expected +
                  " entries, or nodes × splits");
}

// Split `index` of a mask, and how many it holds.
std::vector<std::uint8_t> read_mask(NpzReader& reader, const char* key, std::int64_t nodes, std::int64_t index,
                                    std::int64_t& splits) {
  splits = 1;
  if (!reader.contains(key)) return {};
  const NpyArray array = reader.read(key);
  const auto& shape = array.header().shape;
  std::vector<std::uint8_t> mask = array.to<std::uint8_t>();
  if (shape.size() == 2) {
    const bool by_node = shape[0] == nodes;
    if (!by_node && shape[1] != nodes) bad_shape(array, nodes);
    splits = by_node ? shape[1] : shape[0];
    if (index >= splits && splits > 1) {
      throw ConfigError("dataset.split.index: found " + std::to_string(index) + ", but " + array.where() + " holds " +
                        std::to_string(splits) + " splits, expected 0 to " + std::to_string(splits - 1));
    }
    const std::int64_t first = splits > 1 ? index : 0;
    std::vector<std::uint8_t> chosen(splits > 0 ? static_cast<std::size_t>(nodes) : 0);
    for (std::size_t i = 0; i < chosen.size(); ++i) {
      const auto node = static_cast<std::int64_t>(i);
      chosen[i] = mask[static_cast<std::size_t>(by_node ? node * splits + first : first * nodes + node)];
    }
    mask = std::move(chosen);
  }
  if (static_cast<std::int64_t>(mask.size()) != nodes) bad_shape(array, nodes);
  for (std::size_t i = 0; i < mask.size(); ++i) {
    if (mask[i] <= 1) continue;
    throw DataError(array.where() + ": node " + std::to_string(i) + ": found " + std::to_string(mask[i]) +
                    ", expected 0 or 1");
  }
  return mask;
}

}  // namespace

void refuse_near_miss(const NpzReader& reader, const char* wanted, const char* form) {
  if (reader.contains(wanted)) return;
  for (const std::string& member : reader.keys()) {
    if (member == "train_mask" || member == "val_mask" || member == "test_mask" || !means(member, wanted)) continue;
    throw DataError(reader.name() + ": found the member " + member + ", which is not read, and no " + wanted +
                    ": expected the name " + wanted + ", with " + form);
  }
}

void read_masks(NpzReader& reader, std::optional<std::int64_t> wanted, Dataset& dataset) {
  const std::int64_t index = wanted.value_or(0);
  struct Part {
    const char* key;
    std::vector<std::uint8_t>& mask;
  };
  std::string first;  // the mask of several splits that was read first
  for (const Part& part : {Part{"train_mask", dataset.train_mask}, Part{"val_mask", dataset.validation_mask},
                           Part{"test_mask", dataset.test_mask}}) {
    if (wanted) refuse_near_miss(reader, part.key, mask_form);
    std::int64_t splits = 1;
    part.mask = read_mask(reader, part.key, dataset.nodes(), index, splits);
    if (splits == 1) continue;
    if (!first.empty() && splits != dataset.file_splits) {
      throw DataError(reader.name() + ": " + part.key + ": found " + std::to_string(splits) + " splits, expected " +
                      std::to_string(dataset.file_splits) + " as in " + first);
    }
    first = part.key;
    dataset.file_splits = splits;
  }
  if (index > 0 && dataset.file_splits == 1) {
    throw ConfigError("dataset.split.index: found " + std::to_string(index) + ", but the masks of " + reader.name() +
                      " hold one split, expected 0");
  }
}

}  // namespace gamlp
