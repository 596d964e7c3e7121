#include "host/sim/sim_fleet.hpp"

#include <utility>

#include "host/sim/sim_device.hpp"

namespace gamlp {

SimFleet::SimFleet(int devices, const sim::SimulatorOptions& options)
    : simulator_(std::make_shared<sim::Simulator>(devices, options)) {
  for (int rank = 0; rank < devices; ++rank) {
    Member member;
    member.device = std::make_unique<sim::SimDevice>(simulator_, rank);
    member.compute = member.device->create_stream("compute", StreamKind::compute);
    member.exchange = member.device->create_stream("exchange", StreamKind::exchange);
    member.transport = std::make_unique<sim::SimTransport>(simulator_, rank);
    member.context = {member.device.get(), member.compute.get(), member.exchange.get(), member.transport.get()};
    members_.push_back(std::move(member));
  }
}

SimFleet::~SimFleet() = default;

void SimFleet::post(int rank, std::function<void()> task) {
  if (failure_) return;
  simulator_->enter_host(rank);
  try {
    task();
  } catch (...) {
    failure_ = std::current_exception();
  }
  simulator_->leave_host();
}

std::uint64_t SimFleet::post_all(int count, const std::function<void(int)>& task) {
  for (int rank = 0; rank < count; ++rank) post(rank, [&] { task(rank); });
  tickets_.emplace_back(++last_ticket_, simulator_->hosts_know());
  return last_ticket_;
}

void SimFleet::wait() { learn(simulator_->hosts_know()); }

void SimFleet::wait(std::uint64_t ticket) {
  while (!tickets_.empty() && tickets_.front().first < ticket) tickets_.pop_front();
  expects(!tickets_.empty() && tickets_.front().first == ticket, "tickets are waited for in order, once");
  const sim::VectorClock known = std::move(tickets_.front().second);
  tickets_.pop_front();
  learn(known);
}

void SimFleet::learn(const sim::VectorClock& known) {
  simulator_->driver_learns(known);
  if (failure_) std::rethrow_exception(failure_);
  simulator_->check();
}

}  // namespace gamlp
