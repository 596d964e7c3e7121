// A run's timeline in memory, and as a file for chrome://tracing or ui.perfetto.dev (Trace Event Format, JSON).
//
// A process per device. Its thread "compute" shows the compute stream: the ops of one step lie inside a slice of their
// own ("W of layer 3"). Its threads "exchange", "exchange, 2 at once", … show the messages, of which several may be
// under way at once. Slices of one thread nest or follow one another; they never overlap in part, which viewers do not
// show. Args name step, layer, epoch, what a wait protects and the bytes that were sent.
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
  // Spans beyond `limit` per device are counted, not kept: each takes some 200 bytes of the file.
  explicit TraceLog(std::size_t limit = 1'000'000) : limit_(limit) {}
  // The sink of a device; valid as long as the log. Not while any device is writing.
  TraceSink& sink(int device);
  // What the sink of a device has received, if it was asked for.
  const std::vector<Span>& spans_of(int device) const;
  // `title`: what the processes are called after, "title, device 0". Atomic; throws IoError.
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
