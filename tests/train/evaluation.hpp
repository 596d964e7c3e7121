// An evaluation on a device against scores and labels on the host.
#pragma once

#include <cmath>

#include "host/train/evaluator.hpp"
#include "tests/train/support.hpp"

namespace gamlp::test {

// Accuracies may differ by `allowed` nodes: sums in another order can change the best of two classes.
inline void check_evaluation(Device& device, double allowed) {
  const Config given = small_config({"method.init=normal", "method.init_scale_first=0.3", "dataset.generate.nodes=9000",
                                     "dataset.split.test=5000", "dataset.split.validation=30", "model.width=9",
                                     "stages.0.layers=2", "stages.1.layers=4"});
  const auto [config, problem] = prepare_problem(given, 1);
  const ActivationRule f = activation_rule(config.model);
  const auto stream = device.create_stream("evaluation", StreamKind::compute);
  for (const bool resident : {false, true}) {
    Evaluation evaluation(device, evaluation_shape(config, problem.shape(1), problem.part_nodes(), resident), f);
    for (const int layers : {2, 4, 3}) {  // as a network grows; and a shallower one in the same memory
      const auto widths = layer_widths(layers, problem.shape(1).input_width(), config.model.width, problem.classes);
      const Network network = initial_network(widths, config.method, static_cast<std::uint64_t>(layers));
      const Accuracies found = evaluation.accuracies(*stream, problem, network);
      const std::array<double, 3> shares = {found.train, found.validation, found.test};
      for (std::size_t part = 0; part < 3; ++part) {
        const auto& labels = problem.parts[part].labels;
        const double expected = accuracy_of(forward(network, f, problem.inputs_of(problem.kind(1)).part(part)), labels);
        INFO((resident ? "resident, " : "passing, ") << layers << " layers, part " << part);
        CHECK(std::abs(shares[part] - expected) * static_cast<double>(labels.size()) <= allowed + 1e-9);
        CHECK(expected > 0);
      }
    }
  }
}

}  // namespace gamlp::test
