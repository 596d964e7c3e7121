// gamlp generate: a labelled graph of any size from a seed, as a .npz file.
#include "host/data/generate.hpp"

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "host/cli/commands.hpp"
#include "host/cli/graph_summary.hpp"
#include "host/cli/table.hpp"
#include "host/core/error.hpp"
#include "host/data/load.hpp"

namespace gamlp::cli {
namespace fs = std::filesystem;
namespace {

std::string shape_list() {
  std::string out;
  for (const GraphShape& shape : graph_shapes()) {
    out += "\n  " + std::string(shape.name) + ": " + grouped(shape.nodes) + " nodes, " + grouped(shape.features) +
           " features, " + grouped(shape.classes) + " classes, mean degree " + short_number(shape.mean_degree);
  }
  return out;
}

}  // namespace

void add_generate(CLI::App& app, Shared& shared) {
  struct Arguments {
    std::string output, shape;
    GenerateConfig graph;
    bool force = false;
  };
  auto args = std::make_shared<Arguments>();
  GenerateConfig& graph = args->graph;
  CLI::App* command = app.add_subcommand("generate", "Write a contextual stochastic block model graph (.npz)");
  command->add_option("output", args->output, "File to write (OUT.npz)")
      ->required()
      ->check([](const std::string& file) {
        return file.ends_with(".npz") ? std::string() : "\"" + file + "\" must end in .npz";
      });
  CLI::Option* shape = command->add_option("--shape", args->shape, "The size of a public dataset: see below");
  command->add_option("--scale", graph.scale, "The shape's numbers of nodes are divided by it")
      ->capture_default_str()
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1'000'000}))
      ->needs(shape);
  command->add_option("--nodes", graph.nodes, "Nodes")->capture_default_str()->excludes(shape);
  command->add_option("--classes", graph.classes, "Classes")->capture_default_str()->excludes(shape);
  command->add_option("--features", graph.features, "Features per node")->capture_default_str()->excludes(shape);
  command->add_option("--mean-degree", graph.mean_degree, "Neighbours per node")
      ->capture_default_str()
      ->excludes(shape);
  command->add_option("--homophily", graph.homophily, "Probability that an edge stays inside its class")
      ->capture_default_str();
  command->add_option("--feature-signal", graph.feature_signal, "Length of class means, in noise standard deviations")
      ->capture_default_str();
  command->add_option("--seed", graph.seed, "Seed: the same numbers give the same file")->capture_default_str();
  command->add_flag("--force", args->force, "Replace a file that is there already");
  command->add_flag("--json", shared.json, "Describe the graph as one JSON object");
  command->footer("Shapes:" + shape_list() + "\n\nExamples:  gamlp generate graph.npz --nodes 30000 --classes 40\n" +
                  "           gamlp generate cora_like.npz --shape cora --seed 1\n" +
                  "           gamlp generate papers.npz --shape papers100m --scale 1000");
  command->callback([args, &shared] {
    shared.run = [args, &shared] {
      std::error_code ignored;
      if (!args->force && fs::exists(args->output, ignored)) {
        throw IoError(args->output + ": exists already; add --force to replace it");
      }
      if (!args->shape.empty()) args->graph.shape = args->shape;
      Dataset dataset = generate_csbm(args->graph);
      save_npz_dataset(args->output, dataset);
      dataset.origin = args->output;
      const GraphSummary summary = summarize(dataset);
      write_stdout(shared.json ? to_json(summary).dump() + "\n" : "wrote " + to_text(summary));
      return 0;
    };
  });
}

}  // namespace gamlp::cli
