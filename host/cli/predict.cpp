// gamlp predict: class and probabilities of chosen nodes.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <memory>
#include <numeric>
#include <utility>

#include "host/cli/commands.hpp"
#include "host/cli/saved_run.hpp"
#include "host/cli/smoothing.hpp"
#include "host/cli/table.hpp"
#include "host/config/enums.hpp"
#include "host/core/error.hpp"
#include "host/core/files.hpp"
#include "host/data/npy.hpp"
#include "host/data/split.hpp"

namespace gamlp::cli {
namespace fs = std::filesystem;
namespace {

constexpr std::int64_t kMaxIdInFloat = std::int64_t{1} << 24;
constexpr std::string_view kSeparators = ", \t\r\n";

std::int32_t checked_id(std::int64_t id, std::int64_t nodes, const std::string& where) {
  if (id < 0 || id >= nodes) {
    throw DataError(where + ": node " + std::to_string(id) + " is not in the graph: ids go from 0 to " +
                    std::to_string(nodes - 1));
  }
  return static_cast<std::int32_t>(id);
}

// Ids separated by commas or white space; '#' starts a comment.
std::vector<std::int32_t> parse_ids(const std::string& text, std::int64_t nodes, const std::string& where) {
  std::vector<std::int32_t> ids;
  std::size_t at = 0;
  while ((at = text.find_first_not_of(kSeparators, at)) != std::string::npos) {
    if (text[at] == '#') {
      at = text.find('\n', at);
      if (at == std::string::npos) break;
      continue;
    }
    const std::size_t end = std::min(text.find_first_of(kSeparators, at), text.size());
    std::int64_t id = 0;
    const auto [stop, error] = std::from_chars(text.data() + at, text.data() + end, id);
    if (error != std::errc() || stop != text.data() + end) {
      throw DataError(where + ": found \"" + text.substr(at, std::min<std::size_t>(end - at, 40)) +
                      "\", expected node ids separated by commas or spaces");
    }
    ids.push_back(checked_id(id, nodes, where));
    at = end;
  }
  if (ids.empty()) throw DataError(where + ": holds no node id");
  return ids;
}

// Booleans are a mask. Bytes of 0 and 1, one for each node, may be meant as one, or as ids: neither is guessed.
bool is_mask(const NpyArray& array, std::int64_t nodes) {
  if (array.header().kind == 'b') return true;
  if (array.header().itemsize != 1 || array.elements() != nodes) return false;
  const auto values = array.to<std::int64_t>();
  if (nodes < 3 || std::any_of(values.begin(), values.end(), [](std::int64_t v) { return v != 0 && v != 1; })) {
    return false;
  }
  throw DataError(
      array.where() + ": found a 0 or 1 (" + array.header().dtype + ") for each of the " + std::to_string(nodes) +
      " nodes, which may be a mask or a list of ids: for a mask save it as booleans (mask.astype(bool)), for "
      "ids as a wider integer (ids.astype('int64'))");
}

std::vector<std::int32_t> nodes_of_mask(const NpyArray& array, std::int64_t nodes) {
  const auto& shape = array.header().shape;
  if (array.elements() != nodes || (shape.size() == 2 && shape[1] != 1)) {
    throw DataError(array.where() + ": found booleans of shape " + array.header().shape_text() +
                    ", expected a mask with one for each of the " + std::to_string(nodes) + " nodes");
  }
  std::vector<std::int32_t> ids = members_of(array.to<std::uint8_t>());
  if (ids.empty()) throw DataError(array.where() + ": the mask selects no node");
  return ids;
}

std::vector<std::int32_t> read_ids(const std::string& file, std::int64_t nodes) {
  if (!file.ends_with(".npy")) return parse_ids(read_file(file), nodes, file);
  const NpyArray array = read_npy(file);
  if (is_mask(array, nodes)) return nodes_of_mask(array, nodes);
  std::vector<std::int32_t> ids;
  for (const std::int64_t id : array.to<std::int64_t>()) ids.push_back(checked_id(id, nodes, file));
  if (ids.empty()) throw DataError(file + ": holds no node id");
  return ids;
}

std::vector<std::int32_t> part_of_split(const SavedRun& run, const std::string& choice) {
  const Dataset& dataset = run.dataset;
  const SplitConfig& config = run.model.config.dataset.split;
  const std::size_t part = choice == "train" ? 0 : choice == "validation" ? 1 : 2;
  const std::string instead = "; choose nodes by all, ids (1,2,3) or a file of ids";
  if (config.kind == SplitKind::file) {
    const std::array masks = {&dataset.train_mask, &dataset.validation_mask, &dataset.test_mask};
    if (!masks[part]->empty()) return members_of(*masks[part]);
    constexpr std::array kNames = {"train_mask", "val_mask", "test_mask"};
    throw DataError(dataset.origin + ": " + kNames[part] + ": missing, but --nodes " + choice + " asks for its nodes" +
                    instead);
  }
  if (!dataset.has_labels) {
    throw DataError(dataset.origin + ": labels: missing, but --nodes " + choice +
                    " asks for a split that is drawn by class (dataset.split.kind \"" +
                    std::string(name_of(config.kind)) + "\")" + instead);
  }
  Split split = make_split(dataset, config);
  std::vector<std::int32_t>& nodes = *std::array{&split.train, &split.validation, &split.test}[part];
  std::sort(nodes.begin(), nodes.end());
  return std::move(nodes);
}

std::vector<std::int32_t> chosen_nodes(const SavedRun& run, const std::string& choice) {
  const std::int64_t nodes = run.dataset.nodes();
  if (choice == "all") {
    std::vector<std::int32_t> all(static_cast<std::size_t>(nodes));
    std::iota(all.begin(), all.end(), 0);
    return all;
  }
  if (choice == "train" || choice == "validation" || choice == "test") return part_of_split(run, choice);
  if (choice.find_first_not_of("-0123456789, ") == std::string::npos) return parse_ids(choice, nodes, "--nodes");
  std::error_code ignored;
  if (!fs::exists(choice, ignored)) {
    throw DataError("--nodes: " + choice +
                    ": no such file; expected all, train, validation, test, ids (1,2,3) or a file of ids");
  }
  return read_ids(choice, nodes);
}

struct Predictions {
  std::vector<std::int32_t> nodes, classes;  // classes by the ids of the training file
  std::vector<std::int32_t> class_ids;       // of each column of probabilities
  Matrix probabilities;
};

Predictions predict(const SavedRun& run, std::vector<std::int32_t> nodes, const std::optional<std::string>& smooth) {
  Predictions p{std::move(nodes), {}, {}, {}};
  for (std::int64_t c = 0; c < run.classes(); ++c) p.class_ids.push_back(run.class_id(c));
  if (smooth) {
    p.probabilities = rows_of(smoothed(run, *smooth).probabilities, p.nodes);
  } else {
    p.probabilities = class_scores(run, p.nodes);
  }
  for (std::int64_t i = 0; i < p.probabilities.rows(); ++i) {
    const float* row = p.probabilities.row(i);
    const auto best = std::max_element(row, row + p.probabilities.cols()) - row;
    p.classes.push_back(p.class_ids[static_cast<std::size_t>(best)]);
  }
  if (!smooth) to_probabilities(p.probabilities);
  return p;
}

std::string csv(const Predictions& p) {
  std::string out = "node,class";
  for (const std::int32_t id : p.class_ids) out += ",p" + std::to_string(id);
  out += "\n";
  char digits[32];
  for (std::size_t i = 0; i < p.nodes.size(); ++i) {
    out += std::to_string(p.nodes[i]) + "," + std::to_string(p.classes[i]);
    const float* row = p.probabilities.row(static_cast<std::int64_t>(i));
    for (std::int64_t c = 0; c < p.probabilities.cols(); ++c) {
      out += ',';
      out.append(digits, std::to_chars(digits, digits + sizeof digits, row[c]).ptr);  // reads back as the same float
    }
    out += "\n";
  }
  return out;
}

// N × (2 + classes): id, class, probabilities.
Matrix as_matrix(const Predictions& p, const std::string& file) {
  const std::int64_t classes = p.probabilities.cols();
  Matrix table(p.probabilities.rows(), 2 + classes);
  for (std::int64_t i = 0; i < table.rows(); ++i) {
    const std::int32_t node = p.nodes[static_cast<std::size_t>(i)];
    if (node > kMaxIdInFloat) {
      throw DataError(file + ": node " + std::to_string(node) +
                      " is beyond 2^24, where float32 no longer holds every id; write .csv instead");
    }
    table(i, 0) = static_cast<float>(node);
    table(i, 1) = static_cast<float>(p.classes[static_cast<std::size_t>(i)]);
    std::copy_n(p.probabilities.row(i), classes, table.row(i) + 2);
  }
  return table;
}

std::string json_text(const Predictions& p) {
  nlohmann::ordered_json json = {{"nodes", p.nodes}, {"classes", p.classes}, {"class_ids", p.class_ids}};
  json["probabilities"] = nlohmann::ordered_json::array();
  for (std::int64_t i = 0; i < p.probabilities.rows(); ++i) {
    const float* row = p.probabilities.row(i);
    json["probabilities"].push_back(std::vector<float>(row, row + p.probabilities.cols()));
  }
  return json.dump() + "\n";
}

void write(const Predictions& p, const std::string& output, bool json) {
  if (output.empty()) {
    write_stdout(json ? json_text(p) : csv(p));
  } else if (output.ends_with(".npy")) {
    const Matrix table = as_matrix(p, output);
    write_npy(fs::path(output), table.view());
  } else {
    write_file_atomic(output, output.ends_with(".json") ? json_text(p) : csv(p));
  }
}

}  // namespace

void add_predict(CLI::App& app, Shared& shared) {
  struct Arguments {
    std::string run, nodes = "all", output;
    std::optional<std::string> dataset, smooth;
    int stage = 0;
  };
  auto args = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("predict", "Class and probabilities of nodes by a run's best weights");
  command->add_option("run", args->run, "Run folder")->required();
  command
      ->add_option(
          "--nodes", args->nodes,
          "all, train, validation, test, ids (0,5,7), or a file of ids (text or .npy; booleans in .npy: a mask)")
      ->capture_default_str();
  command
      ->add_option(
          "--output", args->output,
          "FILE.csv, FILE.json, or FILE.npy: float32, one row per node: id, class, probabilities (default: CSV "
          "to standard output)")
      ->check([](const std::string& file) {
        const bool known = file.ends_with(".csv") || file.ends_with(".npy") || file.ends_with(".json");
        return known ? std::string() : "\"" + file + "\" must end in .csv, .json or .npy";
      });
  command->add_option("--dataset", args->dataset, "Another graph (.npz) with the same features");
  add_stage_option(*command, args->stage);
  add_smooth_option(*command, args->smooth);
  command->add_flag("--json", shared.json, "One JSON object: nodes, classes, probabilities");
  command->footer(
      "Examples:  gamlp predict runs/quickstart --nodes 0,1,2\n"
      "           gamlp predict runs/quickstart --nodes test --output test.npy");
  command->callback([args, &shared] {
    if (shared.json && !args->output.empty() && !args->output.ends_with(".json")) {
      throw CLI::ValidationError("--json", "writes JSON, but the file of --output is \"" + args->output + "\"");
    }
    shared.run = [args, &shared] {
      const SavedRun run = open_saved_run(args->run, args->dataset, args->stage);
      write(predict(run, chosen_nodes(run, args->nodes), args->smooth), args->output, shared.json);
      return 0;
    };
  });
}

}  // namespace gamlp::cli
