#include <charconv>
#include <cmath>
#include <cstdlib>
#include <optional>
#include <vector>

#include "host/core/error.hpp"
#include "host/core/files.hpp"
#include "host/data/check.hpp"
#include "host/data/edge_weights.hpp"
#include "host/data/load.hpp"
#include "host/graph/csr_build.hpp"

namespace gamlp {
namespace {

// The fields of each line that has any, in turn.
class LineReader {
 public:
  explicit LineReader(const TextSource& source) : rest_(source.content), name_(source.name) {}

  std::int64_t line() const { return line_; }

  // False at the end of the text. `fields` are views into the text.
  bool next(std::vector<std::string_view>& fields) {
    while (!rest_.empty()) {
      ++line_;
      const std::size_t end = rest_.find('\n');
      std::string_view text = rest_.substr(0, end);
      rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end + 1);
      if (line_ == 1 && text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
      split(text.substr(0, text.find('#')), fields);
      if (!fields.empty()) return true;
    }
    return false;
  }

  [[noreturn]] void fail(const std::string& message) const {
    throw DataError(name_ + ":" + std::to_string(line_) + ": " + message);
  }

 private:
  static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

  // Blanks separate fields, and so does one comma with blanks around it: "1,,2" has an empty field in the middle.
  static void split(std::string_view text, std::vector<std::string_view>& fields) {
    fields.clear();
    std::size_t at = 0;
    const auto skip_blanks = [&] {
      while (at < text.size() && is_blank(text[at])) ++at;
    };
    skip_blanks();
    while (at < text.size()) {
      const std::size_t start = at;
      while (at < text.size() && !is_blank(text[at]) && text[at] != ',') ++at;
      fields.push_back(text.substr(start, at - start));
      skip_blanks();
      if (at == text.size() || text[at] != ',') continue;
      ++at;
      skip_blanks();
      if (at == text.size()) fields.push_back(text.substr(at));
    }
  }

  std::string_view rest_;
  const std::string& name_;
  std::int64_t line_ = 0;
};

template <class T>
std::optional<T> parsed(std::string_view field) {
  T value{};
  if (field.starts_with('+')) field.remove_prefix(1);
  const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), value);
  if (error != std::errc{} || end != field.data() + field.size()) return std::nullopt;
  return value;
}

// Whether all of a field has the form of a number, whatever its size.
bool parsed_form(std::string_view field) {
  if (field.starts_with('+')) field.remove_prefix(1);
  double ignored = 0;
  const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), ignored);
  return error != std::errc::invalid_argument && end == field.data() + field.size();
}

// A finite float. One that is too small becomes 0: from_chars() gives 0 or an error, by how small it is.
std::optional<float> parsed_float(std::string_view field) {
  auto value = parsed<float>(field);
  if (!value && parsed_form(field)) value = std::strtof(std::string(field).c_str(), nullptr);
  return value && std::isfinite(*value) ? value : std::nullopt;
}

// An integer, also one that is written as a float ("1.0", "1.000e+00"): numpy.savetxt writes all numbers so.
std::optional<std::int64_t> parsed_integer(std::string_view field) {
  if (const auto integer = parsed<std::int64_t>(field)) return integer;
  constexpr double kExact = 9007199254740992.0;  // every integer up to here is a double
  const auto number = parsed<double>(field);
  if (!number || !(std::fabs(*number) <= kExact) || *number != std::floor(*number)) return std::nullopt;
  return static_cast<std::int64_t>(*number);
}

bool is_nan(std::string_view field) {
  const auto number = parsed<double>(field);
  return number && std::isnan(*number);
}

// A number that is not 0 and is too small for a float.
bool underflows(std::string_view field, float value) {
  return value == 0.0f && field.substr(0, field.find_first_of("eE")).find_first_of("123456789") != std::string::npos;
}

// What a field that is no number most likely is.
std::string hint(std::string_view field) {
  if (field.empty()) return " (an empty field: a value is missing between two commas, or behind the last one)";
  if (is_nan(field))
    return " (a missing value: fill it in, with the mean of its column for example, or drop the column)";
  return {};
}

// Files that are no text at all, by their first bytes.
void check_is_text(const TextSource& source) {
  struct Magic {
    std::string_view bytes;
    const char* what;
  };
  static constexpr Magic known[] = {
      {"\x1f\x8b", "is compressed by gzip: unpack it first (gunzip)"},
      {"PK\x03\x04", "is a zip archive: unpack it, or give an .npz as dataset.path"},
      {"\x93NUMPY", "is a numpy array: write it with numpy.savetxt, or give an .npz as dataset.path"},
      {"\xff\xfe", "is UTF-16: save it as UTF-8 or ASCII (iconv -f UTF-16 -t UTF-8)"},
      {"\xfe\xff", "is UTF-16: save it as UTF-8 or ASCII (iconv -f UTF-16 -t UTF-8)"}};
  for (const Magic& magic : known) {
    if (source.content.starts_with(magic.bytes))
      throw DataError(source.name + ": expected plain text, but the file " + magic.what);
  }
}

std::string shown(std::string_view field) {
  std::string out = "'";
  for (const char c : field.substr(0, 40)) out += c >= ' ' && c < 127 ? c : '?';
  return out + (field.size() > 40 ? "…'" : "'");
}

std::vector<std::int64_t> parse_labels(const TextSource& source) {
  std::vector<std::int64_t> labels;
  std::vector<std::string_view> fields;
  check_is_text(source);
  LineReader lines(source);
  while (lines.next(fields)) {
    if (fields.size() != 1) {
      lines.fail("found " + std::to_string(fields.size()) + " fields, expected one label; " + several_labels);
    }
    const auto label = is_nan(fields[0]) ? std::optional<std::int64_t>(no_class) : parsed_integer(fields[0]);
    if (!label || (*label != no_class && (*label < 0 || *label >= max_classes))) {
      lines.fail("found " + shown(fields[0]) + ", expected a label from 0 to " + std::to_string(max_classes - 1) +
                 ", or -1 or nan for a node without a class");
    }
    labels.push_back(*label);
  }
  if (labels.empty()) throw DataError(source.name + ": found no labels, expected one per line");
  check_node_count(static_cast<std::int64_t>(labels.size()), source.name);
  return labels;
}

// Numbers of a table that became 0.
struct Underflow {
  std::int64_t count = 0, first_line = 0;

  void add(std::int64_t line) {
    if (count++ == 0) first_line = line;
  }
};

Matrix parse_features(const TextSource& source, std::int64_t nodes, const std::string& labels_name,
                      Underflow& underflow) {
  check_is_text(source);
  std::vector<float> values;
  std::vector<std::string_view> fields;
  std::int64_t rows = 0;
  std::size_t cols = 0;
  LineReader lines(source);
  while (lines.next(fields)) {
    if (rows == 0) {
      cols = fields.size();
      check_feature_count(static_cast<std::int64_t>(cols), source.name);
    }
    if (rows == nodes) lines.fail("found more rows than the " + std::to_string(nodes) + " labels of " + labels_name);
    if (fields.size() != cols) {
      lines.fail("found " + std::to_string(fields.size()) + " fields, expected " + std::to_string(cols) +
                 " as on the first line");
    }
    for (const std::string_view field : fields) {
      const auto value = parsed_float(field);
      if (!value) {
        lines.fail("found " + shown(field) + ", expected a finite number" + hint(field) +
                   (rows == 0 && hint(field).empty() ? " (begin a line of column names with '#')" : ""));
      }
      if (underflows(field, *value)) underflow.add(lines.line());
      values.push_back(*value);
    }
    ++rows;
  }
  if (rows != nodes) {
    throw DataError(source.name + ": found " + std::to_string(rows) + " rows, expected " + std::to_string(nodes) +
                    ", the labels of " + labels_name);
  }
  Matrix matrix(rows, static_cast<std::int64_t>(cols));
  std::copy(values.begin(), values.end(), matrix.data());
  return matrix;
}

std::int32_t parse_node(const LineReader& lines, std::string_view field, std::int64_t nodes) {
  const auto id = parsed_integer(field);
  if (!id || *id < 0 || *id >= nodes) {
    lines.fail("found " + shown(field) + ", expected a node id from 0 to " + std::to_string(nodes - 1) + hint(field));
  }
  return static_cast<std::int32_t>(*id);
}

float parse_weight(const LineReader& lines, std::string_view field) {
  const auto weight = parsed_float(field);
  if (!weight) {
    lines.fail("found " + shown(field) + ", expected the weight of the edge, a finite number" + hint(field));
  }
  return *weight;
}

Csr parse_edges(const TextSource& source, std::int64_t nodes) {
  check_is_text(source);
  std::vector<Edge> edges;
  std::vector<float> weights;
  std::vector<std::string_view> fields;
  LineReader lines(source);
  std::size_t columns = 0;
  while (lines.next(fields)) {
    if (columns == 0) columns = fields.size();
    if (columns != 2 && columns != 3) {
      lines.fail("found " + std::to_string(columns) + " fields, expected two node ids, or two ids and a weight");
    }
    if (fields.size() != columns) {
      lines.fail("found " + std::to_string(fields.size()) + " fields, expected two node ids" +
                 (columns == 3 ? " and a weight, as on the first line" : ", as on the first line"));
    }
    edges.push_back({parse_node(lines, fields[0], nodes), parse_node(lines, fields[1], nodes)});
    weights.push_back(columns == 3 ? parse_weight(lines, fields[2]) : 1.0f);
  }
  return csr_with_duplicates(nodes, edges, weights);
}

}  // namespace

Dataset parse_text_dataset(const TextSource& edges, const TextSource& features, const TextSource& labels) {
  Dataset dataset;
  dataset.origin = edges.name;
  dataset.name = std::filesystem::path(edges.name).stem().string();
  dataset.labels = checked_labels(parse_labels(labels), labels.name);
  dataset.classes = class_count(dataset.labels);
  const auto nodes = static_cast<std::int64_t>(dataset.labels.size());
  Underflow underflow;
  dataset.features_dense = parse_features(features, nodes, labels.name, underflow);
  if (underflow.count > 0) {
    dataset.notes.push_back(features.name + ":" + std::to_string(underflow.first_line) + ": " +
                            std::to_string(underflow.count) +
                            " numbers are too small for float32 (below 1e-45) and were read as 0; scale their columns "
                            "if they matter");
  }
  dataset.adjacency = parse_edges(edges, nodes);
  settle_weights(dataset, edges.name);
  return dataset;
}

Dataset load_text_dataset(const TextConfig& config) {
  const std::string edges = read_file(config.edges);
  const std::string features = read_file(config.features);
  const std::string labels = read_file(config.labels);
  return parse_text_dataset({edges, config.edges}, {features, config.features}, {labels, config.labels});
}

}  // namespace gamlp
