// Keeps the timeline of a run in memory, and writes it as a file for chrome://tracing or ui.perfetto.dev (Trace Event
// Format, JSON).
//
// The file has a process per device. The thread "compute" of a process shows the compute stream: the ops of one step
// lie inside a slice of their own ("W of layer 3"). The threads "exchange", "exchange, 2 at once", … show the messages,
// of which several may be under way at once. Slices of one thread nest or follow one another. They never overlap in
// part, because viewers do not show that. The args name step, layer, epoch, what a wait protects and the bytes that
// were sent.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "host/device/trace.hpp"

namespace gamlp {

class TraceLog {
 public:
  // Beyond `limit` spans per device the log only counts them, as each takes some 200 bytes of the file.
  explicit TraceLog(std::size_t limit = 1'000'000) : limit_(limit) {}
  // Returns the sink of a device, valid as long as the log. Nobody may call this while any device writes.
  TraceSink& sink(int device);
  // Returns what the sink of a device has received. sink() must have been called for that device.
  const std::vector<Span>& spans_of(int device) const;
  // Writes the file atomically. Its processes are named after `title`: "title, device 0". Throws an IoError.
  void write(const std::filesystem::path& path, const std::string& title) const;
  std::uint64_t spans() const;
  std::uint64_t dropped() const;

 private:
  struct DeviceSpans final : TraceSink {
    void span(const Span& span) override;
    std::size_t limit = 0;
    std::uint64_t dropped = 0;
    std::vector<Span> spans;
  };
  std::size_t limit_;
  std::vector<std::unique_ptr<DeviceSpans>> devices_;
};

}  // namespace gamlp
