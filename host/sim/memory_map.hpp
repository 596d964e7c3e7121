// Keeps account of the memory of simulated devices: what is allocated, and who touched which bytes last.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "host/device/device.hpp"
#include "host/sim/vector_clock.hpp"

namespace gamlp::sim {

// Who touched memory: an op or a message group. Reports show it. It is kept as long as a segment names it.
struct Toucher {
  std::size_t stream = 0;
  const char* name = "";  // of the op
  StepLabel label;
};

struct Touch {
  std::uint32_t clock = 0;  // of the toucher's stream; 0: none
  std::shared_ptr<const Toucher> who;
  const char* view = "";
};

// A range of bytes that were touched alike.
struct Segment {
  Touch write;
  std::vector<Touch> reads;  // the last of each stream since the write
};

struct Allocation {
  std::string name;  // "q message"
  int device = 0;
  MemoryKind kind = MemoryKind::variables;
  std::uintptr_t address = 0;
  std::size_t bytes = 0;
  bool freed = false;
  std::size_t queued = 0;                   // ops and groups that use it and have not run
  std::map<std::size_t, Segment> segments;  // by first byte; each reaches to the next
  std::unique_ptr<std::byte, void (*)(void*)> memory{nullptr, nullptr};
};

// Part of an allocation that an op or a group touches.
struct Access {
  std::shared_ptr<Allocation> allocation;
  std::size_t first = 0, end = 0;  // bytes
  bool write = false;
  const char* view = "";
};

// The earlier access that stands against an access. It is empty when all earlier ones are ordered before it.
struct Conflict {
  Touch earlier;
  bool earlier_wrote = false;
  explicit operator bool() const { return earlier.who != nullptr; }
};

class MemoryMap {
 public:
  // Where `backed` is true, allocations have real, zero-filled memory. Otherwise they are addresses that nobody may
  // follow. Freed addresses are never used again, so that a late use is told from a use of what came after.
  explicit MemoryMap(bool backed) : backed_(backed) {}

  std::shared_ptr<Allocation> allocate(int device, std::size_t bytes, const std::string& name, MemoryKind kind);
  // Marks the allocation as freed and fills it with NaN. The memory itself stays until the map is destroyed.
  void release(Allocation& allocation);
  // Returns the allocation, also a freed one, that holds the address, or null when none does.
  std::shared_ptr<Allocation> find(std::uintptr_t address) const;
  MemoryUse use(int device) const;

  // Notes the access of `who` at `clock`. Returns the first earlier access that conflicts with it and that `now` does
  // not know to have passed.
  static Conflict touch(const Access& access, const std::shared_ptr<const Toucher>& who, const VectorClock& now,
                        std::uint32_t clock);
  // Returns the first access to any byte that `now` does not know to have passed.
  static Conflict unfinished(const Allocation& allocation, const VectorClock& now);

 private:
  bool backed_;
  std::uintptr_t next_ = 0x1000;
  std::map<std::uintptr_t, std::shared_ptr<Allocation>> allocations_;
  std::map<int, MemoryUse> uses_;
};

}  // namespace gamlp::sim
