#include "host/sim/simulator.hpp"

#include <algorithm>
#include <cstring>
#include <type_traits>
#include <utility>

#include "host/cpu/blas.hpp"

namespace gamlp::sim {
namespace {

std::string device_name(int device) { return "sim:" + std::to_string(device); }

std::string label_text(const char* what, int layer, std::int64_t epoch) {
  if (what[0] == '\0') return "";
  std::string text = what;
  if (layer > 0) text += " of layer " + std::to_string(layer);
  return text + ", epoch " + std::to_string(epoch);
}

double overlap(double a_start, double a_end, double b_start, double b_end) {
  return std::max(0.0, std::min(a_end, b_end) - std::max(a_start, b_start));
}

}  // namespace

Simulator::Simulator(int devices, const SimulatorOptions& options)
    : options_(options), memory_(options.arithmetic), random_(random_key(options.seed, 7)) {
  expects(devices >= 1, "a simulator has a device");
  const auto count = static_cast<std::size_t>(devices);
  clocks_.resize(count);
  counters_.resize(count);
  sinks_.resize(count);
  hosts_.resize(count + 1);
  snapshots_.resize(count + 1);
  host_ = count;
  if (options_.arithmetic) set_blas_threads(1);
}

// ---- memory ------------------------------------------------------------------------------------------

std::shared_ptr<Allocation> Simulator::allocate(int device, std::size_t bytes, const std::string& what,
                                                MemoryKind kind) {
  check();
  return memory_.allocate(device, bytes, what, kind);
}

// Called by destructors: a fault is kept for the next call.
void Simulator::release(Allocation& allocation) noexcept {
  try {
    if (!fault_ && aborted_.empty()) {
      const std::string name = "\"" + allocation.name + "\" of " + device_name(allocation.device);
      if (allocation.queued > 0) {
        fail(FaultKind::memory, name + " is freed while " + std::to_string(allocation.queued) +
                                    " enqueued ops and messages have yet to use it");
      }
      if (const Conflict conflict = MemoryMap::unfinished(allocation, host())) {
        fail(FaultKind::memory, name + " is freed, but the host has not waited for " + describe(*conflict.earlier.who));
      }
    }
  } catch (const SimulationFault&) {
  }
  memory_.release(allocation);
}

Access Simulator::access_of(std::size_t stream, const void* data, std::size_t bytes, bool write, const char* view,
                            const char* op) {
  const auto address = reinterpret_cast<std::uintptr_t>(data);
  const StreamState& on = streams_[stream];
  const auto where = [&] { return describe(on, op, on.label) + ", view " + view + ": "; };
  const std::shared_ptr<Allocation> allocation = memory_.find(address);
  if (!allocation) fail(FaultKind::memory, where() + "its memory belongs to no device");
  if (allocation->freed) fail(FaultKind::memory, where() + "uses \"" + allocation->name + "\" after it was freed");
  if (allocation->device != on.device) {
    fail(FaultKind::memory, where() + "\"" + allocation->name + "\" belongs to " + device_name(allocation->device));
  }
  if (allocation->kind == MemoryKind::host && on.kind != StreamKind::copy) {
    fail(FaultKind::memory, where() + "\"" + allocation->name + "\" lies in the host's memory");
  }
  const std::size_t first = address - allocation->address;
  if (first + bytes > allocation->bytes) {
    fail(FaultKind::memory, where() + "reaches byte " + std::to_string(first + bytes) + " of \"" + allocation->name +
                                "\", which has " + std::to_string(allocation->bytes));
  }
  return {allocation, first, first + bytes, write, view};
}

// ---- enqueueing --------------------------------------------------------------------------------------

std::size_t Simulator::add_stream(int device, const std::string& what, StreamKind kind) {
  StreamState& stream = streams_.emplace_back();
  stream.name = device_name(device) + "." + what;
  stream.device = device;
  stream.kind = kind;
  // Some streams run far ahead of others, so that a missing order shows in the values too.
  stream.weight = 1.0 / static_cast<double>(std::uint64_t{1} << random_.below(6));
  return streams_.size() - 1;
}

Simulator::Host Simulator::host_snapshot() {
  Host& snapshot = snapshots_[host_];
  if (!snapshot) snapshot = std::make_shared<const VectorClock>(host());
  return snapshot;
}

void Simulator::enqueue(std::size_t index, const Op& op) {
  check();
  StreamState& stream = streams_[index];
  if (stream.kind == StreamKind::exchange) throw std::logic_error("the exchange stream carries messages only");
  if (stream.kind == StreamKind::copy && !std::holds_alternative<ops::Copy>(op.variant())) {
    throw std::logic_error("a copy stream carries copies only");
  }
  OpEntry entry{op, {}};
  const char* name = name_of(op);
  std::visit(
      [&](const auto& o) {
        o.views([&](const char* view, const auto& m) {
          if (m.data == nullptr || m.empty()) return;
          using Value = std::remove_pointer_t<decltype(m.data)>;
          entry.accesses.push_back(access_of(index, m.data, static_cast<std::size_t>(m.size()) * sizeof(Value),
                                             !std::is_const_v<Value>, view, name));
        });
      },
      op.variant());
  for (const Access& a : entry.accesses) {
    for (const Access& b : entry.accesses) {
      if (&a == &b || !a.write || a.allocation != b.allocation || a.end <= b.first || b.end <= a.first) continue;
      fail(FaultKind::memory, describe(stream, name, stream.label) + ": views " + a.view + " and " + b.view +
                                  " overlap in \"" + a.allocation->name + "\"");
    }
  }
  for (const Access& access : entry.accesses) ++access.allocation->queued;
  stream.queue.push_back({std::move(entry), host_snapshot(), stream.label});
}

void Simulator::record(std::size_t index, const std::shared_ptr<Point>& point) {
  check();
  StreamState& stream = streams_[index];
  point->stream = index;
  stream.queue.push_back({RecordEntry{point}, host_snapshot(), stream.label});
}

void Simulator::wait(std::size_t index, const std::shared_ptr<Point>& point, const char* protects) {
  check();
  StreamState& stream = streams_[index];
  stream.queue.push_back({WaitEntry{point, protects}, host_snapshot(), stream.label});
}

void Simulator::exchange(int device, std::size_t index, std::span<const Send> sends,
                         std::span<const Receive> receives) {
  check();
  StreamState& stream = streams_[index];
  auto group = std::make_shared<Group>();
  group->device = device;
  const auto add = [&](int peer, const void* data, std::size_t bytes, bool is_send, Message message) {
    expects(peer >= 0 && peer < devices(), "exchange: peer exists");
    message.peer = peer;
    message.bytes = bytes;
    message.is_send = is_send;
    if (bytes > 0) {
      group->accesses.push_back(access_of(index, data, bytes, !is_send, is_send ? "send" : "receive", "exchange"));
    }
    group->messages.push_back(message);
  };
  TransportCounters& counters = counters_[static_cast<std::size_t>(device)];
  for (const Send& send : sends) {
    const auto bytes = static_cast<std::size_t>(send.message.size());
    add(send.peer, send.message.data, bytes, true, {0, send.message, {}, 0, send.label});
    counters.bytes_sent += bytes;
    counters.messages_sent += 1;
  }
  for (const Receive& receive : receives) {
    const auto bytes = static_cast<std::size_t>(receive.message.size());
    add(receive.peer, receive.message.data, bytes, false, {0, {}, receive.message, 0, receive.label});
    counters.bytes_received += bytes;
  }
  for (const Access& access : group->accesses) ++access.allocation->queued;
  const Span span = span_of_exchange(sends, receives);
  stream.queue.push_back({GroupEntry{std::move(group)}, host_snapshot(), span.label});
}

void Simulator::abort(const std::string& reason) noexcept {
  if (aborted_.empty()) aborted_ = reason.empty() ? "stopped" : reason;
}

// ---- running -----------------------------------------------------------------------------------------

bool Simulator::can_run(const StreamState& stream) const {
  if (stream.queue.empty()) return false;
  const auto& front = stream.queue.front().what;
  if (const auto* wait = std::get_if<WaitEntry>(&front)) return !wait->point || wait->point->passed;
  if (const auto* entry = std::get_if<GroupEntry>(&front)) {
    const Group& group = *entry->group;
    return !group.arrived ||
           std::all_of(group.messages.begin(), group.messages.end(), [](const Message& m) { return m.complete; });
  }
  return true;
}

void Simulator::run_front(StreamState& stream) {
  Entry& front = stream.queue.front();
  if (auto* entry = std::get_if<GroupEntry>(&front.what); entry != nullptr && !entry->group->arrived) {
    stream.clock.join(*front.host);
    return arrive(stream, entry->group);
  }
  Entry entry = std::move(front);
  stream.queue.pop_front();
  stream.clock.join(*entry.host);
  std::visit([&](auto& what) { run(stream, what, entry.label); }, entry.what);
}

void Simulator::touch(const StreamState& stream, std::span<const Access> accesses, const char* name,
                      const StepLabel& label, std::uint32_t clock) {
  const auto index = static_cast<std::size_t>(&stream - streams_.data());
  const auto who = std::make_shared<const Toucher>(Toucher{index, name, label});
  for (const Access& access : accesses) {
    const Conflict conflict = MemoryMap::touch(access, who, stream.clock, clock);
    if (!conflict) continue;
    fail(FaultKind::race, "race on \"" + access.allocation->name + "\" of " + device_name(access.allocation->device) +
                              ": " + describe(*who) + (access.write ? " writes " : " reads ") + access.view +
                              ", not ordered after " + describe(*conflict.earlier.who) +
                              (conflict.earlier_wrote ? ", which writes " : ", which reads ") + conflict.earlier.view);
  }
}

void Simulator::release(std::span<const Access> accesses) {
  for (const Access& access : accesses) --access.allocation->queued;
}

void Simulator::run(StreamState& stream, OpEntry& entry, const StepLabel& label) {
  const auto index = static_cast<std::size_t>(&stream - streams_.data());
  release(entry.accesses);
  touch(stream, entry.accesses, name_of(entry.op), label, stream.clock.tick(index));
  ++ops_run_;
  if (options_.arithmetic) std::visit([&](const auto& o) { cpu::run(o, scratch_); }, entry.op.variant());
  if (options_.costs != nullptr) take_time(stream, entry.op, label);
}

void Simulator::take_time(StreamState& stream, const Op& op, const StepLabel& label) {
  DeviceClock& clock = clocks_[static_cast<std::size_t>(stream.device)];
  const bool copies = stream.kind == StreamKind::copy;
  double seconds = 0;
  if (copies) {
    const auto& copy = std::get<ops::Copy>(op.variant());
    seconds = options_.costs->host_copy_seconds(static_cast<std::size_t>(copy.out.size()));
  } else {
    seconds = options_.costs->op_seconds(op);
  }
  // A CPU worker copies by itself: its compute stream takes the time.
  StreamState* worker = nullptr;
  for (StreamState& other : streams_) {
    if (copies && options_.costs->copies_on_worker() && other.device == stream.device &&
        other.kind == StreamKind::compute && worker == nullptr) {
      worker = &other;
    }
  }
  if (worker != nullptr) stream.time = std::max(stream.time, worker->time);
  const double start = stream.time;
  stream.time += seconds;
  if (worker != nullptr) worker->time = stream.time;
  const bool beside = copies && worker == nullptr;
  const Phase phase = phase_of(op);
  if (beside) {
    clock.staging += seconds;
  } else {
    clock.times.phase[static_cast<std::size_t>(phase)] += seconds;
    clock.compute_end = stream.time;
  }
  if (TraceSink* sink = sinks_[static_cast<std::size_t>(stream.device)]) {
    sink->span({name_of(op), phase_name(phase), "", label, beside ? Lane::copy : Lane::compute, start, stream.time, 0});
  }
}

void Simulator::run(StreamState& stream, RecordEntry& entry, const StepLabel&) {
  Point& point = *entry.point;
  point.passed = true;
  point.clock = stream.clock;
  point.time = stream.time;
  point.group = stream.last_group;
  point.copies = stream.kind == StreamKind::copy;
}

void Simulator::run(StreamState& stream, WaitEntry& entry, const StepLabel& label) {
  if (!entry.point) return;  // of an event that was never recorded: passes
  const Point& point = *entry.point;
  stream.clock.join(point.clock);
  if (options_.costs == nullptr || stream.kind != StreamKind::compute) {
    stream.time = std::max(stream.time, point.time);
    return;
  }
  const double start = stream.time, end = std::max(start, point.time);
  DeviceClock& clock = clocks_[static_cast<std::size_t>(stream.device)];
  (point.copies ? clock.staging_exposed : clock.times.wait) += end - start;
  stream.time = end;
  if (point.group) {
    GroupTiming& group = *point.group;
    clock.exposed += overlap(start, end, group.ready, group.end);
    stream.time += group.worker_seconds;
    clock.copied_on_worker += std::exchange(group.worker_seconds, 0.0);
  }
  clock.compute_end = stream.time;
  TraceSink* sink = sinks_[static_cast<std::size_t>(stream.device)];
  if (sink != nullptr && stream.time > start) {
    sink->span({"wait", "wait", entry.protects, label, Lane::compute, start, stream.time, 0});
  }
}

// ---- messages ----------------------------------------------------------------------------------------

Simulator::Channel& Simulator::channel(int from, int to) { return channels_[{from, to}]; }

void Simulator::arrive(StreamState& stream, const std::shared_ptr<Group>& group) {
  const auto index = static_cast<std::size_t>(&stream - streams_.data());
  group->arrived = true;
  group->timing->arrival = group->timing->ready = group->timing->end = stream.time;
  // A peer that has got one message knows that this group has begun, not that it is complete: what the group touches
  // counts as touched at its end. Two accesses of one group to the same bytes are a race.
  const std::uint32_t begun = stream.clock.tick(index);
  touch(stream, group->accesses, "exchange", stream.queue.front().label, begun + 1);
  group->clock = stream.clock;
  for (std::size_t i = 0; i < group->messages.size(); ++i) {
    const Message& message = group->messages[i];
    if (message.is_send) {
      channel(group->device, message.peer).sends.emplace_back(group, i);
    } else {
      channel(message.peer, group->device).receives.emplace_back(group, i);
    }
  }
  for (const Message& message : group->messages) {
    if (message.is_send) {
      match(group->device, message.peer);
    } else {
      match(message.peer, group->device);
    }
  }
}

void Simulator::match(int from, int to) {
  Channel& pair = channel(from, to);
  while (!pair.sends.empty() && !pair.receives.empty()) {
    const auto [sender, i] = pair.sends.front();
    const auto [receiver, k] = pair.receives.front();
    pair.sends.pop_front();
    pair.receives.pop_front();
    deliver(*sender, sender->messages[i], *receiver, receiver->messages[k]);
  }
}

void Simulator::deliver(Group& sender, Message& send, Group& receiver, Message& receive) {
  const auto sides = [&] {
    return device_name(sender.device) + " sends " + describe(send) + ", " + device_name(receiver.device) +
           " receives " + describe(receive);
  };
  const MessageLabel &a = send.label, &b = receive.label;
  if (send.bytes != receive.bytes) fail(FaultKind::mismatch, "message sizes differ: " + sides());
  if (a.type != b.type) fail(FaultKind::mismatch, "message types differ: " + sides());
  if (std::strcmp(a.what, b.what) != 0 || a.layer != b.layer || a.epoch != b.epoch) {
    fail(FaultKind::mismatch, "messages are out of order: " + sides());
  }
  if (options_.arithmetic && send.bytes > 0) std::memcpy(receive.in.data, send.out.data, send.bytes);
  receiver.joined.join(sender.clock);
  send.complete = receive.complete = true;
  if (options_.costs == nullptr) return;
  const double ready = std::max(sender.timing->arrival, receiver.timing->arrival);
  const CostModel::MessageCost cost = options_.costs->message(sender.device, receiver.device, send.bytes);
  const bool network = cost.between_hosts(), on_worker = options_.costs->copies_on_worker() && !network;
  double end = ready;
  if (network) network_[cost.from_host].bytes_out += send.bytes, network_[cost.to_host].bytes_in += send.bytes;
  if (!on_worker) {
    const auto link = static_cast<std::size_t>(cost.link);
    double& leaves = network ? network_[cost.from_host].out : sender.timing->out[link];
    double& comes = network ? network_[cost.to_host].in : receiver.timing->in[link];
    leaves = std::max(leaves, ready) + cost.transfer;
    comes = std::max(comes, ready) + cost.transfer;
    end = std::max(leaves, comes) + cost.latency;
  }
  for (GroupTiming* side : {sender.timing.get(), receiver.timing.get()}) {
    side->ready = std::max(side->ready, ready);
    side->end = std::max(side->end, end);
  }
  if (on_worker) receiver.timing->worker_seconds += cost.seconds();
}

void Simulator::run(StreamState& stream, GroupEntry& entry, const StepLabel& label) {
  Group& group = *entry.group;
  release(group.accesses);
  stream.clock.tick(static_cast<std::size_t>(&stream - streams_.data()));
  stream.clock.join(group.joined);
  stream.last_group = group.timing;
  if (options_.costs == nullptr) return;
  stream.time = std::max(stream.time, group.timing->end);
  clocks_[static_cast<std::size_t>(stream.device)].times.exchange += group.timing->end - group.timing->ready;
  if (TraceSink* sink = sinks_[static_cast<std::size_t>(stream.device)]) {
    Span span{"exchange", "exchange", label.step, label, Lane::exchange, group.timing->arrival, stream.time, 0};
    for (const Message& message : group.messages) span.bytes += message.is_send ? message.bytes : 0;
    sink->span(span);
  }
}

// ---- scheduling --------------------------------------------------------------------------------------

std::size_t Simulator::pick(const std::vector<std::size_t>& ready) {
  if (options_.costs != nullptr) {
    return *std::min_element(ready.begin(), ready.end(),
                             [&](std::size_t a, std::size_t b) { return streams_[a].time < streams_[b].time; });
  }
  double sum = 0;
  for (const std::size_t i : ready) sum += streams_[i].weight;
  double at = random_.uniform() * sum;
  for (const std::size_t i : ready) {
    at -= streams_[i].weight;
    if (at < 0) return i;
  }
  return ready.back();
}

template <class Done>
void Simulator::run_until(Done done, const char* what) {
  check();
  std::vector<std::size_t> ready;
  while (!done()) {
    ready.clear();
    for (std::size_t i = 0; i < streams_.size(); ++i) {
      if (can_run(streams_[i])) ready.push_back(i);
    }
    if (ready.empty()) fail(FaultKind::deadlock, deadlock(what));
    run_front(streams_[pick(ready)]);
  }
  snapshots_[host_].reset();
}

void Simulator::synchronize_stream(std::size_t index) {
  run_until([&] { return streams_[index].queue.empty(); }, streams_[index].name.c_str());
  host().join(streams_[index].clock);
}

void Simulator::synchronize_point(const Point& point) {
  run_until([&] { return point.passed; }, point.event.c_str());
  host().join(point.clock);
}

void Simulator::finish() {
  const auto idle = [&] {
    return std::all_of(streams_.begin(), streams_.end(), [](const StreamState& s) { return s.queue.empty(); });
  };
  run_until(idle, "the end of the program");
  for (const StreamState& stream : streams_) host().join(stream.clock);
  snapshots_[host_].reset();
  check();
}

void Simulator::check() const {
  if (fault_) throw SimulationFault(*fault_);
  if (!aborted_.empty()) throw DeviceError("simulation stopped: " + aborted_);
}

void Simulator::enter_host(int device) {
  const VectorClock known = hosts_.back();
  host_ = static_cast<std::size_t>(device);
  host().join(known);
  snapshots_[host_].reset();
}

VectorClock Simulator::hosts_know() const {
  VectorClock known;
  for (std::size_t i = 0; i + 1 < hosts_.size(); ++i) known.join(hosts_[i]);
  return known;
}

void Simulator::driver_learns(const VectorClock& clock) {
  hosts_.back().join(clock);
  snapshots_.back().reset();
}

double Simulator::time() const {
  double latest = 0;
  for (const StreamState& stream : streams_) latest = std::max(latest, stream.time);
  return latest;
}

// ---- reports -----------------------------------------------------------------------------------------

std::string Simulator::describe(const StreamState& stream, const char* name, const StepLabel& label) const {
  const std::string what = label_text(label.step, label.layer, label.epoch);
  return std::string(name) + (what.empty() ? "" : " (" + what + ")") + " on " + stream.name;
}

std::string Simulator::describe(const Toucher& who) const {
  return describe(streams_[who.stream], who.name, who.label);
}

std::string Simulator::describe(const Message& message) const {
  const std::string what = label_text(message.label.what, message.label.layer, message.label.epoch);
  return (what.empty() ? "a message" : what) + " (" + std::to_string(message.bytes) +
         (message.label.type == WireType::float32 ? " bytes of float32)" : " bytes)");
}

std::string Simulator::waits_for(const StreamState& stream) const {
  const Entry& front = stream.queue.front();
  if (const auto* wait = std::get_if<WaitEntry>(&front.what)) {
    return "for event \"" + wait->point->event + "\" of " + streams_[wait->point->stream].name + ", which protects " +
           wait->protects;
  }
  std::string text;
  for (const Message& message : std::get<GroupEntry>(front.what).group->messages) {
    if (message.complete) continue;
    text += (text.empty() ? "to " : " and to ") + std::string(message.is_send ? "send " : "receive ") +
            describe(message) + (message.is_send ? " to " : " from ") + device_name(message.peer);
  }
  return text;
}

std::string Simulator::deadlock(const char* what) const {
  std::string text = std::string("deadlock: the host waits for ") + what + ", and no stream can go on";
  for (const StreamState& stream : streams_) {
    if (!stream.queue.empty()) text += "\n  " + stream.name + " waits " + waits_for(stream);
  }
  return text;
}

void Simulator::fail(FaultKind kind, const std::string& text) {
  if (!fault_) fault_.emplace(kind, text);
  throw SimulationFault(*fault_);
}

}  // namespace gamlp::sim
