// A fleet of simulated devices. Each task runs at once, on the caller's thread, and only enqueues. What it enqueues
// runs when something waits. A caller must post a task that waits after everything that it waits for (fleet.hpp).
#pragma once

#include <deque>
#include <exception>
#include <memory>
#include <utility>
#include <vector>

#include "host/device/fleet.hpp"
#include "host/sim/simulator.hpp"

namespace gamlp {

class SimFleet final : public Fleet {
 public:
  SimFleet(int devices, const sim::SimulatorOptions& options);
  ~SimFleet() override;

  int size() const override { return static_cast<int>(members_.size()); }
  const DeviceContext& context(int rank) const override { return members_[static_cast<std::size_t>(rank)].context; }
  void post(int rank, std::function<void()> task) override;
  std::uint64_t post_all(int count, const std::function<void(int rank)>& task) override;
  void wait() override;
  void wait(std::uint64_t ticket) override;

  sim::Simulator& simulator() { return *simulator_; }
  // Lets the caller look at the simulator when the fleet, and all that lived on it, is gone.
  std::shared_ptr<sim::Simulator> share_simulator() const { return simulator_; }

 private:
  struct Member {
    std::unique_ptr<Device> device;
    std::unique_ptr<Stream> compute, exchange;
    std::unique_ptr<Transport> transport;
    DeviceContext context;
  };

  std::shared_ptr<sim::Simulator> simulator_;  // buffers share it
  std::vector<Member> members_;
  void learn(const sim::VectorClock& known);

  std::uint64_t last_ticket_ = 0;
  std::deque<std::pair<std::uint64_t, sim::VectorClock>> tickets_;  // what the devices' hosts knew at the call
  std::exception_ptr failure_;
};

}  // namespace gamlp
