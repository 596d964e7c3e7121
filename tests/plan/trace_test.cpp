// Timelines: the file's form, and the same form from real workers and from a forecast.
#include "tests/plan/support.hpp"
#include "tests/support/timeline.hpp"

namespace gamlp::test {
namespace {

nlohmann::json trace_of(const TraceLog& log, const fs::path& file) {
  log.write(file, "a \"title\"");
  return read_timeline(file);
}

// Names of the compute stream's ops of one epoch of one device, in order, with step and layer.
std::vector<std::string> ops_of(const nlohmann::json& trace, int device, std::int64_t epoch) {
  std::vector<std::string> names;
  for (const auto& event : trace["traceEvents"]) {
    if (event["ph"] != "X" || event["pid"] != device || event["tid"] != 0) continue;
    if (event["cat"] == "step" || event["cat"] == "wait" || event["args"]["epoch"] != epoch) continue;
    if (event["cat"] == "copy") continue;  // downloads of metrics and weights are the trainer's
    names.push_back(event["name"].get<std::string>() + " " + event["args"]["step"].get<std::string>() + " " +
                    event["args"]["layer"].dump());
  }
  return names;
}

}  // namespace

TEST_CASE("a trace file holds every span, and ends where it began to be dropped") {
  TraceLog log(3);
  Span span{"gemm", "gemm", "", {"W", 2, 5}, Lane::compute, 10.0, 10.5, 0};
  log.sink(1).span(span);
  span.name = "dot", span.start = 10.5, span.end = 11;
  log.sink(1).span(span);
  log.sink(1).span({"exchange", "exchange", "p", {"p", 3, 5}, Lane::exchange, 10.25, 12, 77});
  log.sink(1).span(span);
  CHECK(log.spans() == 3);
  CHECK(log.dropped() == 1);
  const ScratchFolder scratch;
  const nlohmann::json trace = trace_of(log, scratch / "trace.json");
  CHECK(trace["otherData"]["dropped_spans"] == 1);
  CHECK(trace["otherData"]["title"] == "a \"title\"");
  std::map<std::string, nlohmann::json> slices;
  for (const auto& event : trace["traceEvents"]) {
    if (event["ph"] == "X") slices[event["name"]] = event;
  }
  REQUIRE(slices.size() == 4);
  CHECK(slices["gemm"]["ts"] == 0.0);  // from the first span on, in microseconds
  CHECK(slices["gemm"]["dur"] == 0.5e6);
  CHECK(slices["gemm"]["args"]["layer"] == 2);
  CHECK(slices["W of layer 2"]["dur"] == 1e6);
  CHECK(slices["exchange p"]["tid"] == 1);
  CHECK(slices["exchange p"]["args"]["bytes_sent"] == 77);
  CHECK_THROWS_AS(log.write(scratch / "no/such/folder.json", "x"), IoError);
}

TEST_CASE("slices nest or follow one another, whatever their times are rounded to and however messages overlap") {
  TraceLog log;
  TraceSink& sink = log.sink(0);
  // Ops that touch, of lengths that no clock divides; and one that a coarse clock begins too early.
  double time = 3;
  for (int i = 0; i < 1000; ++i) {
    const double next = time + 1e-6 / 3;
    sink.span({"gemm", "gemm", "", {"W", 1 + i / 3, 0}, Lane::compute, time, next, 0});
    time = next;
  }
  sink.span({"dot", "dot", "", {"b", 1, 1}, Lane::compute, time - 5e-6, time + 5e-6, 0});
  // 0 and 3 follow one another; 1 overlaps 0 in part; 2 lies within both.
  const double messages[][2] = {{3, 5}, {4, 7}, {4.25, 4.5}, {5, 6}};
  for (const auto& m : messages) sink.span({"exchange", "exchange", "p", {"p", 1, 0}, Lane::exchange, m[0], m[1], 1});
  const ScratchFolder scratch;
  const nlohmann::json trace = trace_of(log, scratch / "trace.json");
  std::vector<int> threads;
  std::map<int, std::string> names;
  double until = 0;
  for (const auto& event : trace["traceEvents"]) {
    if (event["name"] == "thread_name") names[event["tid"]] = event["args"]["name"];
    if (event["ph"] == "X" && event["cat"] == "exchange") threads.push_back(event["tid"]);
    if (event["name"] == "dot") until = event["ts"].get<double>() + event["dur"].get<double>();
  }
  CHECK(threads == std::vector<int>{1, 2, 3, 1});
  CHECK(names[1] == "exchange");
  CHECK(names[3] == "exchange, 3 at once");
  CHECK(until == Approx(1e6 * (time - 3) + 5).margin(0.125));
}

TEST_CASE("a time beyond what viewers can count is cut") {
  TraceLog log;
  log.sink(0).span({"gemm", "gemm", "", {"W", 1, 0}, Lane::compute, 1, 1e300, 0});
  log.sink(0).span({"dot", "dot", "", {"b", 1, 0}, Lane::compute, 1e300, 2e300, 0});
  const ScratchFolder scratch;
  const nlohmann::json trace = trace_of(log, scratch / "trace.json");
  for (const auto& event : trace["traceEvents"]) {
    if (event["name"] == "gemm") CHECK(event["dur"] == 0x1p50);  // microseconds: 35 years
    if (event["name"] == "dot") CHECK(event["dur"] == 0.0);
  }
}

TEST_CASE("the check of timelines sees what viewers drop") {
  const auto faults = [](double inner_start, double inner_length, int inner_thread) {
    const auto slice = [](double start, double length, int thread) {
      return nlohmann::json{{"ph", "X"}, {"name", "x"}, {"pid", 0}, {"tid", thread}, {"ts", start}, {"dur", length}};
    };
    const nlohmann::json name{{"ph", "M"}, {"name", "thread_name"}, {"pid", 0}, {"tid", 0}};
    return faults_of_timeline({{"traceEvents", {name, slice(1, 2, 0), slice(inner_start, inner_length, inner_thread)}}})
        .size();
  };
  CHECK(faults(1, 2, 0) == 0);
  CHECK(faults(3, 1, 0) == 0);
  CHECK(faults(2, 1.125, 0) == 1);
  CHECK(faults(2, -1, 0) == 1);
  CHECK(faults(2, 1, 1) == 1);
}

TEST_CASE("training and forecast give the same steps, ops and messages, so that they can be laid side by side") {
  const Config config = small_config({"devices=cpu:2", "method.update=exact"});
  const ScratchFolder scratch;
  TraceLog real, forecast;
  TrainOptions options;
  options.trace = &real;
  run_in(scratch / "run", config, options);
  const PlanSubject subject = plan_subject(config);
  trace_plan(subject, machine_of(simple_gpus()), 2, 2, forecast);
  const nlohmann::json a = trace_of(real, scratch / "real.json"), b = trace_of(forecast, scratch / "forecast.json");
  for (int device = 0; device < 2; ++device) {
    const std::int64_t epoch = 7;  // past the warm-up of the forecast, inside the last stage of both
    const std::vector<std::string> ops = ops_of(b, device, epoch);
    CHECK(ops.size() > 10);
    std::vector<std::string> twice = ops_of(a, device, epoch);  // of both stages: the last one's come last
    REQUIRE(twice.size() > ops.size());
    twice.erase(twice.begin(), twice.end() - static_cast<std::ptrdiff_t>(ops.size()));
    CHECK(twice == ops);
  }
  for (const nlohmann::json* trace : {&a, &b}) {
    int messages = 0;
    for (const auto& event : (*trace)["traceEvents"]) messages += event["ph"] == "X" && event["cat"] == "exchange";
    CHECK(messages > 0);
  }
  for (const TraceLog* log : {&real, &forecast}) {
    for (int device = 0; device < 2; ++device) {
      double last = 0;
      for (const Span& span : log->spans_of(device)) {
        if (span.lane != Lane::compute) continue;
        CHECK(span.start >= last);  // no two at once
        last = span.end;
      }
    }
  }
}

TEST_CASE("the timeline of a forecast has the bits of the last epoch, as its figures have") {
  const PlanSubject subject =
      plan_subject(small_config({"devices=cpu:2", "exchange.p.coding=difference",
                                 R"(exchange.schedule=[{"epoch": 0, "bits": 8}, {"epoch": 5, "bits": 2}])"}));
  const Machine machine = machine_of(simple_gpus());
  const Plan plan = make_plan(subject, machine, 2);
  TraceLog log;
  trace_plan(subject, machine, 2, 3, log);
  const ScratchFolder scratch;
  int messages = 0;
  const nlohmann::json trace = trace_of(log, scratch / "trace.json");
  for (const auto& event : trace["traceEvents"]) {
    if (event["ph"] != "X" || event["pid"] != 1 || event["name"] != "exchange p") continue;
    CHECK(event["args"]["bytes_sent"] == plan.forecast.boundary.down);
    ++messages;
  }
  CHECK(messages == 3);
  const WireFormat last = wire_format(subject.config.exchange.p, 2);
  const std::int64_t values = subject.counts.shape.train_nodes * subject.config.model.width;
  CHECK(plan.forecast.boundary.down == last.message_bytes(values));
}

}  // namespace gamlp::test
