// What a run finds on its GPUs: room for everything, for all but the evaluation's inputs, or for a part of the nodes.
#include "host/device/cuda_sizes.hpp"
#include "host/plan/device_room.hpp"
#include "tests/plan/support.hpp"

namespace gamlp::test {
namespace {

struct Run {
  explicit Run(const std::vector<std::string>& more = {})
      : prepared(prepare_problem(
            small_config(joined({"dataset.generate.nodes=20000", "dataset.split.kind=fraction", "model.width=64",
                                 R"(stages=[{"layers": 2, "epochs": 3}, {"layers": 4, "epochs": 3}])"},
                                more)),
            1)) {}
  // `gpus`: of each device.
  DeviceRoom room(const std::vector<int>& gpus, double free) const {
    ChosenDevices devices;
    devices.kind = DeviceKind::cuda;
    devices.cuda = gpus;
    devices.count = static_cast<int>(gpus.size());
    return expect_device_room(prepared.config, prepared.problem, devices,
                              std::vector<std::size_t>(gpus.size(), static_cast<std::size_t>(free)));
  }
  // What the last stage takes of a GPU that has all devices of the run.
  double needed(int devices, bool resident) const {
    const TrainingShape shape = prepared.problem.shape(2);
    double bytes = 0;
    for (const MemoryUse& use :
         stage_memory(make_stage_spec(prepared.config, shape, 2, devices), shape, DeviceKind::cuda)) {
      bytes += static_cast<double>(use.peak);
    }
    const EvaluationShape evaluation =
        evaluation_shape(prepared.config, shape, prepared.problem.part_nodes(), resident);
    return bytes + static_cast<double>(evaluation_memory(evaluation, DeviceKind::cuda).peak);
  }

  PreparedProblem prepared;
};

}  // namespace

TEST_CASE("a run takes of its GPUs what there is room for") {
  for (const std::string method : {"method.update=gradient", "method.update=exact"}) {
    INFO(method);
    const Run run({method}), staged({method, "node_memory=0"});
    for (const std::vector<int>& gpus : std::vector<std::vector<int>>{{0}, {0, 0}}) {
      const int devices = static_cast<int>(gpus.size());
      INFO(devices << " devices on a GPU");
      const double all = run.needed(devices, true), training = run.needed(devices, false),
                   least = staged.needed(devices, false);
      REQUIRE(least < training - 2e6);
      CHECK(run.room(gpus, all / 0.949).evaluation_inputs);
      CHECK_FALSE(run.room(gpus, all / 0.951).evaluation_inputs);
      const DeviceRoom enough = run.room(gpus, training);
      CHECK_FALSE(enough.evaluation_inputs);
      CHECK_FALSE(enough.node_memory.has_value());
      for (const double left : {training - least - 1, 0.0}) {
        const DeviceRoom part = run.room(gpus, least + left);
        REQUIRE(part.node_memory.has_value());
        // Some memory is left free.
        const double chosen_room = std::max(0.95 * (least + left) - least, 0.0);
        CHECK(*part.node_memory == static_cast<std::int64_t>(chosen_room / devices / 1e6));
        // What was chosen fits.
        const Run chosen({method, "node_memory=" + std::to_string(*part.node_memory)});
        CHECK(chosen.needed(devices, false) <= least + left);
        CHECK(chosen.room(gpus, least + left).node_memory == part.node_memory);
      }
      check_says(error_of<DeviceError>([&] { run.room(gpus, least - 1); }), "the stage of 4 layers needs ");
      check_says(error_of<DeviceError>([&] { run.room(gpus, least - 1); }), " on cuda:0, where ");
      // What the config says is not changed.
      check_says(error_of<DeviceError>([&] {
                   Run({method, "node_memory=100000"}).room(gpus, training - 1);
                 }),
                 " are free; gamlp plan says");
    }
    // NCCL takes memory where there are several GPUs.
    CHECK_FALSE(run.room({0, 1}, run.needed(2, false) + kNcclBytes).node_memory.has_value());
    check_says(error_of<DeviceError>([&] { run.room({0, 1}, kNcclBytes); }), " on cuda:");
  }
  const Run workers({"node_memory=7"});
  CHECK(expect_device_room(workers.prepared.config, workers.prepared.problem, {}, {}).node_memory == 7);
}

}  // namespace gamlp::test
