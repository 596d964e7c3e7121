#include "host/sim/memory_map.hpp"

#include <cstring>

#include "host/core/memory.hpp"

namespace gamlp::sim {
namespace {

constexpr std::size_t kAlignment = 256;

// Makes a segment begin at `at`.
void split(std::map<std::size_t, Segment>& segments, std::size_t at) {
  auto after = segments.lower_bound(at);
  if (after != segments.end() && after->first == at) return;
  segments.emplace_hint(after, at, after == segments.begin() ? Segment{} : std::prev(after)->second);
}

bool passed(const Touch& touch, const VectorClock& now) {
  return !touch.who || now.at(touch.who->stream) >= touch.clock;
}

}  // namespace

std::shared_ptr<Allocation> MemoryMap::allocate(int device, std::size_t bytes, const std::string& name,
                                                MemoryKind kind) {
  auto allocation = std::make_shared<Allocation>();
  allocation->name = name;
  allocation->device = device;
  allocation->kind = kind;
  allocation->bytes = bytes;
  if (backed_) {
    allocation->memory = {static_cast<std::byte*>(allocate_aligned(bytes)), free_aligned};
    std::memset(allocation->memory.get(), 0, bytes);
    allocation->address = reinterpret_cast<std::uintptr_t>(allocation->memory.get());
  } else {
    allocation->address = next_;
    next_ += (bytes / kAlignment + 2) * kAlignment;  // a gap between neighbours, so that one past the end is nobody's
  }
  allocation->segments[0];
  if (bytes > 0) allocations_[allocation->address] = allocation;
  MemoryUse& use = uses_[device];
  use.bytes[static_cast<std::size_t>(kind)] += bytes;
  if (kind == MemoryKind::host) return allocation;
  use.total += bytes;
  use.peak = std::max(use.peak, use.total);
  return allocation;
}

void MemoryMap::release(Allocation& allocation) {
  allocation.freed = true;
  if (allocation.memory) std::memset(allocation.memory.get(), 0xFF, allocation.bytes);
  MemoryUse& use = uses_[allocation.device];
  use.bytes[static_cast<std::size_t>(allocation.kind)] -= allocation.bytes;
  if (allocation.kind != MemoryKind::host) use.total -= allocation.bytes;
}

std::shared_ptr<Allocation> MemoryMap::find(std::uintptr_t address) const {
  auto after = allocations_.upper_bound(address);
  if (after == allocations_.begin()) return nullptr;
  const auto& found = std::prev(after)->second;
  return address < found->address + found->bytes ? found : nullptr;
}

MemoryUse MemoryMap::use(int device) const {
  const auto found = uses_.find(device);
  return found == uses_.end() ? MemoryUse{} : found->second;
}

Conflict MemoryMap::touch(const Access& access, const std::shared_ptr<const Toucher>& who, const VectorClock& now,
                          std::uint32_t clock) {
  auto& segments = access.allocation->segments;
  split(segments, access.first);
  if (access.end < access.allocation->bytes) split(segments, access.end);
  Conflict conflict;
  for (auto at = segments.find(access.first); at != segments.end() && at->first < access.end; ++at) {
    Segment& segment = at->second;
    if (!conflict && !passed(segment.write, now)) conflict = {segment.write, true};
    if (access.write) {
      for (const Touch& read : segment.reads) {
        if (!conflict && !passed(read, now)) conflict = {read, false};
      }
      segment.reads.clear();
      segment.write = {clock, who, access.view};
    } else {
      Touch* mine = nullptr;
      for (Touch& read : segment.reads) {
        if (read.who->stream == who->stream) mine = &read;
      }
      if (mine == nullptr) mine = &segment.reads.emplace_back();
      *mine = {clock, who, access.view};
    }
  }
  return conflict;
}

Conflict MemoryMap::unfinished(const Allocation& allocation, const VectorClock& now) {
  for (const auto& [first, segment] : allocation.segments) {
    if (!passed(segment.write, now)) return {segment.write, true};
    for (const Touch& read : segment.reads) {
      if (!passed(read, now)) return {read, false};
    }
  }
  return {};
}

}  // namespace gamlp::sim
