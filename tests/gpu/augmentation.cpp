// Augmentation by cuSPARSE against the CPU's, with the graph on the device and streamed.
#include <cstring>
#include <numeric>

#include "cuda/graph/augment.hpp"
#include "host/core/clock.hpp"
#include "host/core/threads.hpp"
#include "tests/gpu/check.hpp"
#include "tests/graph/random_graph.hpp"
#include "tests/graph/rounding.hpp"

namespace gamlp::gpu {

Table check_augmentation(const Scope& scope) {
  Table table{
      "augmentation",
      "Augmented features against the CPU's: error as a share of what another order of sums may make; seconds of "
      "a second run, host memory to host memory",
      {"nodes", "entries", "features", "hops", "graph", "error / bound", "same bits again", "GPU s", "CPU s"},
      {},
      {}};
  struct Size {
    std::int64_t nodes, edges, features;
    bool sparse;
  };
  std::vector<Size> sizes = {{2000, 12000, 50, false}, {3000, 9000, 70, true}, {90000, 450000, 500, false}};
  if (!scope.large) sizes = {{200, 600, 20, false}};
  constexpr std::int64_t kHops = 4;
  for (const Size& size : sizes) {
    const Dataset dataset = test::random_dataset(size.nodes, size.edges, size.features, size.sparse, 3);
    const Csr propagation = propagation_matrix(dataset.adjacency, PropagationOperator::symmetric);
    std::vector<std::int32_t> nodes(static_cast<std::size_t>(size.nodes));
    std::iota(nodes.begin(), nodes.end(), 0);
    AugmentOptions options;
    options.hops = kHops;
    options.threads = hardware_threads();
    auto start = Clock::now();
    augment(propagation, dataset, nodes, options);
    const double cpu = seconds_since(start);
    // What the narrowest blocks need, and half of the graph.
    const auto narrow = static_cast<std::size_t>(3 * size.nodes * cuda::kMinColumns * 4 + 3 * size.nodes * 4 +
                                                 propagation.entries() * 4);
    for (const std::size_t memory : {std::size_t{0}, narrow}) {
      std::string note;
      const auto run = [&] { return cuda::augment(scope.ordinal, propagation, dataset, nodes, kHops, note, memory); };
      const Matrix x = run();
      start = Clock::now();
      const Matrix again = run();
      const double seconds = seconds_since(start);
      const double worst = test::worst_share(x, propagation, dataset, nodes, kHops);
      const bool same = std::memcmp(x.data(), again.data(), static_cast<std::size_t>(x.size()) * sizeof(float)) == 0;
      const std::string graph = note.empty() ? "on the device" : "streamed";
      const std::string name = std::to_string(size.nodes) + " nodes, " + graph;
      if (!(worst <= 1.0)) table.failures.push_back(name + ": error of " + number(worst) + " bounds");
      if (!same) table.failures.push_back(name + ": other bits in a second run");
      if (note.empty() != (memory == 0)) table.failures.push_back(name + ": is not what was asked for");
      table.rows.push_back({std::to_string(size.nodes), std::to_string(propagation.entries()),
                            std::to_string(size.features) + (size.sparse ? ", sparse" : ""), std::to_string(kHops),
                            graph, number(worst, "%.2g"), same ? "yes" : "no", number(seconds), number(cpu)});
    }
  }
  return table;
}

}  // namespace gamlp::gpu
