#include <charconv>
#include <cmath>
#include <optional>
#include <vector>

#include "host/core/error.hpp"
#include "host/core/files.hpp"
#include "host/data/check.hpp"
#include "host/data/load.hpp"
#include "host/graph/csr_build.hpp"

namespace gamlp {
namespace {

// The fields of each line that has any, in turn.
class LineReader {
 public:
  explicit LineReader(const TextSource& source) : rest_(source.content), name_(source.name) {}

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

std::string shown(std::string_view field) {
  std::string out = "'";
  for (const char c : field.substr(0, 40)) out += c >= ' ' && c < 127 ? c : '?';
  return out + (field.size() > 40 ? "…'" : "'");
}

std::vector<std::int64_t> parse_labels(const TextSource& source) {
  std::vector<std::int64_t> labels;
  std::vector<std::string_view> fields;
  LineReader lines(source);
  while (lines.next(fields)) {
    if (fields.size() != 1) lines.fail("found " + std::to_string(fields.size()) + " fields, expected one label");
    const auto label = parsed<std::int64_t>(fields[0]);
    if (!label || *label < 0 || *label >= max_classes) {
      lines.fail("found " + shown(fields[0]) + ", expected a label from 0 to " + std::to_string(max_classes - 1));
    }
    labels.push_back(*label);
  }
  if (labels.empty()) throw DataError(source.name + ": found no labels, expected one per line");
  check_node_count(static_cast<std::int64_t>(labels.size()), source.name);
  return labels;
}

Matrix parse_features(const TextSource& source, std::int64_t nodes, const std::string& labels_name) {
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
      const auto value = parsed<float>(field);
      if (!value || !std::isfinite(*value)) {
        lines.fail("found " + shown(field) + ", expected a finite number" +
                   (rows == 0 ? " (begin a line of column names with '#')" : ""));
      }
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

Csr parse_edges(const TextSource& source, std::int64_t nodes) {
  std::vector<Edge> edges;
  std::vector<std::string_view> fields;
  LineReader lines(source);
  while (lines.next(fields)) {
    if (fields.size() != 2) lines.fail("found " + std::to_string(fields.size()) + " fields, expected two node ids");
    std::int32_t ids[2] = {0, 0};
    for (int k = 0; k < 2; ++k) {
      const auto id = parsed<std::int64_t>(fields[k]);
      if (!id || *id < 0 || *id >= nodes) {
        lines.fail("found " + shown(fields[k]) + ", expected a node id from 0 to " + std::to_string(nodes - 1));
      }
      ids[k] = static_cast<std::int32_t>(*id);
    }
    edges.push_back({ids[0], ids[1]});
  }
  return csr_from_edges(nodes, edges);
}

}  // namespace

Dataset parse_text_dataset(const TextSource& edges, const TextSource& features, const TextSource& labels) {
  Dataset dataset;
  dataset.origin = edges.name;
  dataset.name = std::filesystem::path(edges.name).stem().string();
  dataset.labels = checked_labels(parse_labels(labels), labels.name);
  dataset.classes = class_count(dataset.labels);
  const auto nodes = static_cast<std::int64_t>(dataset.labels.size());
  dataset.features_dense = parse_features(features, nodes, labels.name);
  dataset.adjacency = parse_edges(edges, nodes);
  return dataset;
}

Dataset load_text_dataset(const TextConfig& config) {
  const std::string edges = read_file(config.edges);
  const std::string features = read_file(config.features);
  const std::string labels = read_file(config.labels);
  return parse_text_dataset({edges, config.edges}, {features, config.features}, {labels, config.labels});
}

}  // namespace gamlp
