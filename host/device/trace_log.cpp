#include "host/device/trace_log.hpp"

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "host/core/files.hpp"

namespace gamlp {
namespace {

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

class Writer {
 public:
  explicit Writer(double zero) : zero_(zero) {}

  void name(const char* what, int device, int thread, const std::string& name) {
    begin();
    text_ += "{\"ph\":\"M\",\"name\":\"" + std::string(what) + "\",\"pid\":" + std::to_string(device) +
             ",\"tid\":" + std::to_string(thread) + ",\"args\":{\"name\":\"" + escaped(name) + "\"}}";
  }
  void slice(const std::string& name, const char* category, int device, Lane lane, double start, double end,
             const std::string& args) {
    begin();
    char times[64];
    std::snprintf(times, sizeof times, "\"ts\":%.3f,\"dur\":%.3f", 1e6 * (start - zero_), 1e6 * (end - start));
    text_ += "{\"ph\":\"X\",\"name\":\"" + name + "\",\"cat\":\"" + category + "\",\"pid\":" + std::to_string(device) +
             ",\"tid\":" + std::to_string(static_cast<int>(lane)) + "," + times + ",\"args\":{" + args + "}}";
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
  double zero_;
  bool first_ = true;
  std::string text_ = "{\"traceEvents\":[";
};

std::string step_args(const StepLabel& label) {
  return "\"step\":\"" + std::string(label.step) + "\",\"layer\":" + std::to_string(label.layer) +
         ",\"epoch\":" + std::to_string(label.epoch);
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
  double zero = 0;
  bool any = false;
  for (const auto& device : devices_) {
    for (const Span& span : device->spans) zero = any ? std::min(zero, span.start) : span.start, any = true;
  }
  Writer writer(zero);
  for (std::size_t i = 0; i < devices_.size(); ++i) {
    const int device = static_cast<int>(i);
    writer.name("process_name", device, 0, title + ", device " + std::to_string(device));
    writer.name("thread_name", device, static_cast<int>(Lane::compute), "compute");
    writer.name("thread_name", device, static_cast<int>(Lane::exchange), "exchange");
    const std::vector<Span>& spans = devices_[i]->spans;
    // The slices of steps: runs of compute spans with one label. Exchange spans may lie between them.
    const Span* first = nullptr;
    double end = 0;
    const auto close = [&] {
      if (first == nullptr || first->label.step[0] == '\0') return;
      std::string name = first->label.step;
      if (first->label.layer > 0) name += " of layer " + std::to_string(first->label.layer);
      writer.slice(name, "step", device, Lane::compute, first->start, end, step_args(first->label));
    };
    for (const Span& span : spans) {
      if (span.lane != Lane::compute) continue;
      if (first == nullptr || !same_step(first->label, span.label)) {
        close();
        first = &span;
      }
      end = span.end;
    }
    close();
    for (const Span& span : spans) {
      std::string args = step_args(span.label);
      if (span.detail[0] != '\0') args += ",\"detail\":\"" + std::string(span.detail) + "\"";
      if (span.bytes > 0) args += ",\"bytes_sent\":" + std::to_string(span.bytes);
      writer.slice(span.lane == Lane::exchange ? std::string(span.name) + " " + span.label.step : span.name,
                   span.category, device, span.lane, span.start, span.end, args);
    }
  }
  write_file_atomic(path, writer.take(title, dropped()));
}

}  // namespace gamlp
