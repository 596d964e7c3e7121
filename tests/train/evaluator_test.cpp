// Accuracy on a device: blocks, parts, inputs that stay there or pass through.
#include "host/train/evaluator.hpp"

#include "host/cpu/cpu_device.hpp"
#include "host/plan/forecast.hpp"
#include "tests/train/evaluation.hpp"

namespace gamlp::test {

TEST_CASE("an evaluation counts what the scores say") {
  CpuDevice device(0, 1);
  check_evaluation(device, 0.0);
  CHECK(device.memory().total == 0);
}

TEST_CASE("a part without nodes has no accuracy") {
  auto [config, problem] = prepare_problem(small_config(), 1);
  problem.parts[1] = {};
  CpuDevice device(0, 1);
  const auto stream = device.create_stream("evaluation", StreamKind::compute);
  Evaluation evaluation(device, evaluation_shape(config, problem.shape(1), problem.part_nodes(), true),
                        activation_rule(config.model));
  const auto widths = layer_widths(4, problem.shape(1).input_width(), config.model.width, problem.classes);
  const Accuracies found = evaluation.accuracies(*stream, problem, initial_network(widths, config.method, 1));
  CHECK(std::isnan(found.validation));
  CHECK(found.test >= 0);
}

TEST_CASE("the forecast of an evaluation's memory is what it allocates") {
  const auto [config, problem] = prepare_problem(small_config(), 1);
  for (const bool resident : {false, true}) {
    const EvaluationShape shape = evaluation_shape(config, problem.shape(1), problem.part_nodes(), resident);
    CpuDevice device(0, 1);
    const Evaluation evaluation(device, shape, activation_rule(config.model));
    CHECK(evaluation_memory(shape, DeviceKind::cpu).peak == device.memory().peak);
  }
}

}  // namespace gamlp::test
