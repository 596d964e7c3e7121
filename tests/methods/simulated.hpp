// A method's training on simulated devices, which find races, deadlocks and misused memory.
#pragma once

#include <memory>
#include <optional>
#include <utility>

#include "host/sim/sim_fleet.hpp"
#include "tests/methods/training.hpp"
#include "tests/sim/faults.hpp"

namespace gamlp::test {

// Does everything that a stage does, and most of it twice: start, iterations, save, restore, another stage. Returns the
// fault that the simulator found, if any. `contexts` plants faults (tests/sim/faults.hpp).
inline std::optional<sim::SimulationFault> fault_of_training(const Setup& setup, int devices,
                                                             FaultyContexts contexts = {}, std::uint64_t seed = 1) {
  const Start start = start_of(setup);
  sim::SimulatorOptions options;
  options.seed = seed;
  auto fleet = std::make_unique<SimFleet>(devices, options);
  SimFleet& simulated = *fleet;
  return fault_of([&] {
    Training training(setup, start, std::move(fleet), contexts);
    training.forward(2);
    training.iterate(0, 5);
    const TrainingState state = training.state();
    training.restore(state);
    training.iterate(5, 3);
    training.go_on_from(state, 5, 3);
    training.restart(state);
    training.iterate(0, 4);
    training.settle();
    simulated.simulator().finish();
  });
}

}  // namespace gamlp::test
