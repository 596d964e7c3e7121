#include "host/device/trace_log.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <numeric>

#include "host/core/files.hpp"

namespace gamlp {
namespace {

constexpr int kComputeThread = 0, kExchangeThread = 1;  // and those after it: messages that are under way at once

bool same_step(const StepLabel& a, const StepLabel& b) {
  return std::strcmp(a.step, b.step) == 0 && a.layer == b.layer && a.epoch == b.epoch;
}

// Names come from the program's own literals, but for the title: no character of theirs needs escaping.
std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return out;
}

// A viewer adds a slice's duration to its start. Both ends are rounded and the duration is their difference, so that
// slices that touch before rounding touch after it; and they are rounded to eighths of a microsecond, which are exact
// in binary and in nanoseconds, so that no reader rounds them again.
constexpr double kTicksPerSecond = 8e6;
struct Slice {
  std::int64_t start = 0, end = 0;  // ticks
};

// A stream computes one op at a time. Where its clock (a GPU's is in float32) makes an op begin before the one before
// it has ended, it is shown from there on.
std::vector<Slice> in_turn(const std::vector<Slice>& slices) {
  std::vector<Slice> out;
  std::int64_t last = 0;
  for (const Slice& slice : slices) {
    const std::int64_t start = std::max(slice.start, last);
    last = std::max(slice.end, start);
    out.push_back({start, last});
  }
  return out;
}

// For each slice the first track on which it is free: viewers drop a slice that overlaps another of its track in part.
// Several messages may be under way at once, each from when it was queued until it had arrived.
std::vector<int> tracks_of(const std::vector<Slice>& slices) {
  std::vector<std::size_t> order(slices.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return slices[a].start < slices[b].start; });
  std::vector<std::int64_t> free_from;  // of each track
  std::vector<int> tracks(slices.size());
  for (const std::size_t i : order) {
    const auto track =
        std::find_if(free_from.begin(), free_from.end(), [&](std::int64_t free) { return free <= slices[i].start; });
    tracks[i] = static_cast<int>(track - free_from.begin());
    if (track == free_from.end()) {
      free_from.push_back(slices[i].end);
    } else {
      *track = slices[i].end;
    }
  }
  return tracks;
}

class Writer {
 public:
  void name(const char* what, int device, int thread, const std::string& name) {
    begin();
    text_ += "{\"ph\":\"M\",\"name\":\"" + std::string(what) + "\",\"pid\":" + std::to_string(device) +
             ",\"tid\":" + std::to_string(thread) + ",\"args\":{\"name\":\"" + escaped(name) + "\"}}";
  }
  void slice(const std::string& name, const char* category, int device, int thread, Slice time,
             const std::string& args) {
    begin();
    text_ += "{\"ph\":\"X\",\"name\":\"" + name + "\",\"cat\":\"" + category + "\",\"pid\":" + std::to_string(device) +
             ",\"tid\":" + std::to_string(thread) + ",\"ts\":" + microseconds(time.start) +
             ",\"dur\":" + microseconds(time.end - time.start) + ",\"args\":{" + args + "}}";
  }
  std::string take(const std::string& title, std::uint64_t dropped) {
    return text_ + "\n],\n\"displayTimeUnit\":\"ms\",\n\"otherData\":{\"title\":\"" + escaped(title) +
           "\",\"dropped_spans\":" + std::to_string(dropped) + "}}\n";
  }

 private:
  void begin() {
    text_ += first_ ? "\n" : ",\n";
    first_ = false;
  }
  static std::string microseconds(std::int64_t ticks) {
    char text[32];
    std::snprintf(text, sizeof text, "%lld.%03d", static_cast<long long>(ticks / 8), static_cast<int>(ticks % 8) * 125);
    return text;
  }
  bool first_ = true;
  std::string text_ = "{\"traceEvents\":[";
};

std::string step_args(const StepLabel& label) {
  return "\"step\":\"" + std::string(label.step) + "\",\"layer\":" + std::to_string(label.layer) +
         ",\"epoch\":" + std::to_string(label.epoch);
}

// One stream's spans, and when they are shown.
struct Shown {
  std::vector<const Span*> spans;
  std::vector<Slice> times;

  Shown(const std::vector<Span>& all, Lane lane, double zero) {
    // At most what a double holds exactly, 35 years: a forecast's machine may be as slow as its file says.
    const auto rounded = [zero](double seconds) {
      return static_cast<std::int64_t>(std::llround(std::min(0x1p53, kTicksPerSecond * (seconds - zero))));
    };
    for (const Span& span : all) {
      if (span.lane != lane) continue;
      spans.push_back(&span);
      times.push_back({rounded(span.start), rounded(span.end)});
    }
  }
};

void write_span(Writer& writer, int device, int thread, const Span& span, Slice time) {
  std::string args = step_args(span.label);
  if (span.detail[0] != '\0') args += ",\"detail\":\"" + std::string(span.detail) + "\"";
  if (span.bytes > 0) args += ",\"bytes_sent\":" + std::to_string(span.bytes);
  writer.slice(span.lane == Lane::exchange ? std::string(span.name) + " " + span.label.step : span.name, span.category,
               device, thread, time, args);
}

// A run of spans with one label lies in a slice of its step, which comes first in the file, as viewers expect of an
// outer slice that begins when the inner one does.
void write_compute(Writer& writer, int device, const Shown& stream) {
  writer.name("thread_name", device, kComputeThread, "compute");
  const std::vector<Slice> times = in_turn(stream.times);
  for (std::size_t first = 0, next = 0; first < times.size(); first = next) {
    const StepLabel& label = stream.spans[first]->label;
    while (next < times.size() && same_step(label, stream.spans[next]->label)) ++next;
    if (label.step[0] != '\0') {
      std::string name = label.step;
      if (label.layer > 0) name += " of layer " + std::to_string(label.layer);
      writer.slice(name, "step", device, kComputeThread, {times[first].start, times[next - 1].end}, step_args(label));
    }
    for (std::size_t i = first; i < next; ++i) write_span(writer, device, kComputeThread, *stream.spans[i], times[i]);
  }
}

// What overlaps is on several tracks. Returns how many.
int write_tracks(Writer& writer, int device, int first, const std::string& name, const Shown& stream) {
  const std::vector<int> tracks = tracks_of(stream.times);
  const int count = tracks.empty() ? 1 : 1 + *std::max_element(tracks.begin(), tracks.end());
  for (int track = 0; track < count; ++track) {
    writer.name("thread_name", device, first + track,
                track == 0 ? name : name + ", " + std::to_string(track + 1) + " at once");
  }
  for (std::size_t i = 0; i < stream.spans.size(); ++i) {
    write_span(writer, device, first + tracks[i], *stream.spans[i], stream.times[i]);
  }
  return count;
}

}  // namespace

void TraceLog::DeviceSpans::span(const Span& span) {
  if (spans.size() < limit) {
    spans.push_back(span);
  } else {
    ++dropped;
  }
}

TraceSink& TraceLog::sink(int device) {
  while (static_cast<int>(devices_.size()) <= device) {
    devices_.push_back(std::make_unique<DeviceSpans>());
    devices_.back()->limit = limit_;
  }
  return *devices_[static_cast<std::size_t>(device)];
}

const std::vector<Span>& TraceLog::spans_of(int device) const {
  return devices_.at(static_cast<std::size_t>(device))->spans;
}

std::uint64_t TraceLog::spans() const {
  std::uint64_t sum = 0;
  for (const auto& device : devices_) sum += device->spans.size();
  return sum;
}

std::uint64_t TraceLog::dropped() const {
  std::uint64_t sum = 0;
  for (const auto& device : devices_) sum += device->dropped;
  return sum;
}

void TraceLog::write(const std::filesystem::path& path, const std::string& title) const {
  double zero = HUGE_VAL;
  for (const auto& device : devices_) {
    for (const Span& span : device->spans) zero = std::min(zero, span.start);
  }
  Writer writer;
  for (std::size_t i = 0; i < devices_.size(); ++i) {
    const int device = static_cast<int>(i);
    writer.name("process_name", device, 0, title + ", device " + std::to_string(device));
    const auto shown = [&](Lane lane) { return Shown(devices_[i]->spans, lane, zero); };
    write_compute(writer, device, shown(Lane::compute));
    const int used = write_tracks(writer, device, kExchangeThread, "exchange", shown(Lane::exchange));
    const Shown copies = shown(Lane::copy);
    if (!copies.spans.empty()) write_tracks(writer, device, kExchangeThread + used, "copies", copies);
  }
  write_file_atomic(path, writer.take(title, dropped()));
}

}  // namespace gamlp
