// Rates: each fused kernel against the copy bandwidth, an iteration against its products alone plus its counted bytes.
#include <algorithm>
#include <cmath>
#include <set>

#include "cuda/comm/copy_transport.hpp"
#include "cuda/device/op_order.hpp"
#include "host/core/clock.hpp"
#include "host/device/forwarding_stream.hpp"
#include "host/math/random.hpp"
#include "host/methods/admm/admm_config.hpp"
#include "host/methods/registry.hpp"
#include "tests/conformance/suite.hpp"
#include "tests/gpu/check.hpp"

namespace gamlp::gpu {
namespace {

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// Seconds of `work`, which enqueues one list of ops: median of rounds that are long enough for the clock.
template <class Work>
double seconds_of(CudaDevice& device, Stream& stream, Work work) {
  const auto end = device.create_event("end");  // ends the list that a stream collects
  const auto run = [&](int times) {
    for (int i = 0; i < times; ++i) {
      work();
      stream.record(*end);
    }
    stream.synchronize();
  };
  run(2);  // a list of several ops that comes twice is captured
  auto start = Clock::now();
  run(1);
  const int repeat = std::clamp(static_cast<int>(0.02 / std::max(seconds_since(start), 1e-7)), 1, 1000);
  std::vector<double> rounds;
  const int most = repeat > 1 ? 7 : 3;  // long ones vary less
  for (int round = 0; round < most; ++round) {
    start = Clock::now();
    run(repeat);
    rounds.push_back(seconds_since(start) / repeat);
  }
  return median(rounds);
}

// Device memory with values that repeat every 2^20: normal numbers take the host longer than all measurements.
class Memory {
 public:
  Memory(CudaDevice& device, Stream& stream) : device_(device), stream_(stream), pattern_(1, std::int64_t{1} << 20) {
    Random random(1);
    for (float& x : pattern_.view().flat()) x = static_cast<float>(random.normal());
  }
  Mat mat(std::int64_t rows, std::int64_t cols) {
    buffers_.push_back(device_.allocate(static_cast<std::size_t>(rows * cols) * 4, "bench", MemoryKind::data));
    const Mat out = buffers_.back().mat(rows, cols);
    fill(out);
    return out;
  }
  // Anew: after ops that changed it.
  void fill(Mat out) {
    for (std::int64_t at = 0; at < out.size(); at += pattern_.size()) {
      const std::int64_t count = std::min(pattern_.size(), out.size() - at);
      stream_.enqueue(ops::Upload{reinterpret_cast<const std::byte*>(pattern_.data()),
                                  {reinterpret_cast<std::byte*>(out.data + at), 1, count * 4}});
    }
    stream_.synchronize();
  }
  MatView<double> scalars(std::int64_t count, double value = 1.0) {
    buffers_.push_back(device_.allocate(static_cast<std::size_t>(count) * 8, "bench", MemoryKind::data));
    const std::vector<double> values(static_cast<std::size_t>(count), value);
    stream_.enqueue(
        ops::Upload{reinterpret_cast<const std::byte*>(values.data()), buffers_.back().raw(8 * values.size())});
    stream_.synchronize();
    return buffers_.back().view<double>(1, count);
  }
  // 0, 1, … classes − 1, 0, 1, …
  MatView<std::int32_t> labels(std::int64_t count, std::int64_t classes) {
    buffers_.push_back(device_.allocate(static_cast<std::size_t>(count) * 4, "bench", MemoryKind::data));
    std::vector<std::int32_t> values(static_cast<std::size_t>(count));
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] = static_cast<std::int32_t>(i % static_cast<std::size_t>(classes));
    }
    const MatView<std::int32_t> out = buffers_.back().view<std::int32_t>(1, count);
    stream_.enqueue(
        ops::Upload{reinterpret_cast<const std::byte*>(values.data()), buffers_.back().raw(4 * values.size())});
    stream_.synchronize();
    return out;
  }
  Bytes bytes(std::int64_t count) {
    buffers_.push_back(device_.allocate(static_cast<std::size_t>(count), "bench", MemoryKind::data));
    return buffers_.back().raw(static_cast<std::size_t>(count));
  }

 private:
  CudaDevice& device_;
  Stream& stream_;
  Matrix pattern_;
  std::vector<Buffer> buffers_;
};

double copy_rate(CudaDevice& device, Stream& stream, std::size_t bytes) {
  const Buffer from = device.allocate(bytes, "from", MemoryKind::data),
               to = device.allocate(bytes, "to", MemoryKind::data);
  return 2.0 * static_cast<double>(bytes) / seconds_of(device, stream, [&] {
           stream.enqueue(ops::Copy{from.raw(bytes), to.raw(bytes)});
         });
}

// The least device memory that an op can move: what it reads and what it writes, once each.
double least_bytes(const Op& op) {
  // Mutable views that are only written.
  static const std::set<std::string> kWritten = {"forward.y",  "p_inputs.x1", "p_inputs.x2",     "centre.out",
                                                 "zq_exact.z", "zq_exact.t",  "softmax_exact.t", "copy.out",
                                                 "zero.out",   "p_receive.p", "q_receive.q",     "p_target.p",
                                                 "q_dual.q",   "zq_exact.q",  "column_mean.mean"};
  return std::visit(
      [](const auto& o) {
        bool difference = false;
        if constexpr (requires { o.quantize; }) difference = o.quantize.format.coding == Coding::difference;
        if constexpr (requires { o.format; }) difference = o.format.coding == Coding::difference;
        double bytes = 0;
        const void* before = nullptr;
        o.views([&]<class T>(const char* name, const MatView<T>& view) {
          if (view.data == before) return;  // a norm reads its tensor once
          before = view.data;
          const std::string key = std::string(o.name) + "." + name;
          const bool message = std::string(name) == "message" || std::string(name) == "scales";
          const bool held = key.ends_with(".p") || key.ends_with(".q");  // differences read what the receiver holds
          const bool once = std::is_const_v<T> || message || (kWritten.count(key) > 0 && !(held && difference));
          bytes += (once ? 1.0 : 2.0) * static_cast<double>(view.size()) * sizeof(T);
        });
        return bytes;
      },
      op.variant());
}

}  // namespace

Table measure_kernels(const Scope& scope) {
  Table table{"kernels",
              "Fused kernels: bytes that must move over time, against a copy within the device",
              {"kernel", "values", "bytes per value", "GB/s", "share of the copy"},
              {},
              {}};
  CudaDevice device(scope.ordinal, {});
  const auto stream = device.create_stream("compute", StreamKind::compute);
  const std::int64_t v = scope.large ? 45000 : 300, n = scope.large ? 4000 : 64;
  const double copy = copy_rate(device, *stream, scope.large ? std::size_t{2} << 30 : 1 << 20);
  table.rows.push_back({"copy", "-", "8", number(copy * 1e-9), "1"});
  Memory memory(device, *stream);
  const double values = static_cast<double>(v * n);
  const Mat a = memory.mat(v, n), b = memory.mat(v, n), c = memory.mat(v, n), d = memory.mat(v, n),
            e = memory.mat(v, n), f = memory.mat(v, n), g = memory.mat(v, n), h = memory.mat(v, n);
  const Mat row = memory.mat(1, n), mean = memory.mat(1, n);
  const MatView<double> s = memory.scalars(8), sums = memory.scalars(4), step = memory.scalars(2, 1e9);
  const auto at = [&](std::int64_t i) { return MatView<double>{s.data + i, 1, 1}; };
  const StepSize size{at(0), {step.data, 1, 1}, 1.0, 1.0};  // steps too short to move anything
  const ActivationRule relu{Activation::relu, 0.0f};
  const auto quantize = [&](int bits, Coding coding, Range range) {
    Quantize q;
    q.format.bits = bits, q.format.coding = coding, q.format.range = range;
    q.scales = memory.mat(1, std::max<std::int64_t>(1, q.format.scale_floats(v * n)));
    q.message = memory.bytes(q.format.message_bytes(v * n));
    return q;
  };
  const Quantize plain, eight = quantize(8, Coding::value, Range::tensor),
                        two = quantize(2, Coding::difference, Range::block),
                        four = quantize(4, Coding::difference, Range::block);
  const auto measure = [&](const std::string& name, const Op& op) {
    const double seconds = seconds_of(device, *stream, [&] { stream->enqueue(op); });
    const double bytes = least_bytes(op), rate = bytes / seconds;
    table.rows.push_back(
        {name, number(values, "%.3g"), number(bytes / values), number(rate * 1e-9), number(rate / copy)});
  };
  const MatView<double> tau{step.data + 1, 1, 1};
  measure("forward", ops::Forward{row, a, b, relu});
  measure("dot", ops::Dot{a, b, at(1)});
  measure("column_mean", ops::ColumnMean{a, mean});
  measure("p_gradient", ops::PGradient{a, b, c, d, 1e-9f, at(1)});
  measure("descent", ops::Descent{size, a, b, {}});
  measure("residual_add", ops::ResidualAdd{a, b, at(1)});
  measure("residual_bias", ops::ResidualBias{size, a, b, mean, row});
  measure("z_step", ops::ZStep{a, b, mean, c, relu, at(1)});
  for (const auto& [name, q] : std::vector<std::pair<std::string, Quantize>>{{"float32", plain},
                                                                             {"8 bits, tensor", eight},
                                                                             {"4-bit differences, blocks", four},
                                                                             {"2-bit differences, blocks", two}}) {
    measure("p_project, " + name, ops::PProject{a, b, c, d, 1e-9f, tau, q, at(1)});
    measure("p_target, " + name, ops::PTarget{a, b, q});
    measure("q_dual, " + name, ops::QDual{a, b, c, d, relu, 0.5f, 0.5f, q, sums});
    measure("zq_exact, " + name, ops::ZqExact{a, row, b, c, d, e, f, g, relu, 0.5f, 0.5f, 0.5f, 0.5f, q, at(1), sums});
    if (!q.format.quantized()) continue;
    measure("p_receive, " + name, ops::PReceive{q.message, h, q.format});
    measure("q_receive, " + name, ops::QReceive{q.message, a, h, b, q.format, 1e-9f});
  }
  const std::int64_t classes = 40, rows = v * n / classes;
  const auto narrow = [&](Mat m) { return Mat{m.data, rows, classes}; };
  // As in training: normal values, and a solve that begins near its end (a hundredth away: three Newton steps).
  memory.fill(a), memory.fill(b);
  std::vector<float> hundredths(static_cast<std::size_t>(classes));
  for (std::size_t i = 0; i < hundredths.size(); ++i) hundredths[i] = i % 2 == 0 ? 0.01f : -0.01f;
  const Mat few = memory.mat(1, classes);
  stream->enqueue(ops::Upload{reinterpret_cast<const std::byte*>(hundredths.data()), as_bytes(few)});
  stream->synchronize();
  const MatView<std::int32_t> labels = memory.labels(rows, classes);
  measure("softmax_step, 40 classes", ops::SoftmaxStep{narrow(a), narrow(b), few, labels, 0.2f, at(1), at(2)});
  measure("softmax_gradient, 40 classes", ops::SoftmaxGradient{narrow(a), narrow(b), labels, at(1)});
  measure("activation_gradient", ops::ActivationGradient{a, b, relu});
  const MatView<const std::uint32_t> steps{reinterpret_cast<const std::uint32_t*>(memory.labels(1, 1).data), 1, 1};
  measure("optimizer_step, gd", ops::OptimizerStep{{Optimizer::gd, 1e-9}, a, b, {}, {}, steps});
  measure("optimizer_step, adam", ops::OptimizerStep{{Optimizer::adam, 1e-9, 0.9, 0.999, 1e-8}, a, b, c, d, steps});
  return table;
}

// ---- iterations --------------------------------------------------------------------------------------
namespace {

class Recorder final : public ForwardingStream {
 public:
  using ForwardingStream::ForwardingStream;
  void enqueue(const Op& op) override {
    if (recording) recorded.push_back(op);
    ForwardingStream::enqueue(op);
  }
  bool recording = false;
  std::vector<Op> recorded;
};

struct Size {
  int layers;
  std::int64_t width, nodes;
};

}  // namespace

Table measure_iterations(const Scope& scope) {
  Table table{
      "iterations",
      "One iteration of all layers on one device, against its floor: products and factorisations alone, plus the "
      "bytes that the other ops must move at the copy's rate",
      {"layers x width x nodes", "update", "products", "exchange", "ms", "floor ms", "floor / measured", "products ms",
       "codec share", "memory MB", "op lists replayed as graphs", "of them in branches", "refused by capture"},
      {},
      {}};
  std::vector<Size> sizes = {{10, 100, 140}, {10, 1000, 5000}, {10, 1000, 45000}, {10, 4000, 45000}};
  if (!scope.large) sizes = {{3, 16, 40}};
  for (const Size& size : sizes) {
    for (const Update update : {Update::gradient, Update::exact}) {
      for (const auto& [precision_name, precision] : std::vector<std::pair<std::string, ProductPrecision>>{
               {"float32", ProductPrecision::float32}, {"tf32", ProductPrecision::tf32}}) {
        CudaDevice device(scope.ordinal, {precision, true});
        const auto compute = device.create_stream("compute", StreamKind::compute);
        const auto exchange = device.create_stream("exchange", StreamKind::exchange);
        const auto transports = create_copy_transports(1);
        Recorder recorder(*compute);
        StageSpec spec;
        const std::int64_t inputs = std::min<std::int64_t>(size.width, 1000);
        spec.widths.assign(static_cast<std::size_t>(size.layers) + 1, size.width);
        spec.widths.front() = inputs, spec.widths.back() = 7;
        spec.placement.ranges = {{1, size.layers}};
        spec.nodes = size.nodes;
        MethodConfig method;
        AdmmConfig admm;
        admm.update = update;
        admm.nu = admm.rho = 0.05;
        admm.weight_decay_first = 0.0;
        set_options(method, admm);
        spec.method = make_method(method);  // exchange: 8-bit values
        // Weights and inputs are small numbers that repeat; the times do not depend on them.
        const auto fill = [](Matrix& m, float scale) {
          std::uint32_t k = 1;
          for (float& x : m.view().flat()) x = scale * (random_unit(7, k++) - 0.5f);
        };
        Network network;
        for (std::size_t l = 1; l < spec.widths.size(); ++l) {
          network.push_back({Matrix(spec.widths[l], spec.widths[l - 1]),
                             std::vector<float>(static_cast<std::size_t>(spec.widths[l]))});
          fill(network.back().w, 3.0f / std::sqrt(static_cast<float>(spec.widths[l - 1])));
        }
        Matrix x(size.nodes, inputs);
        fill(x, 1.0f);
        const TrainingInput input = make_training_input(std::move(x), InputKind::plain);
        const std::vector<std::int32_t> labels(static_cast<std::size_t>(size.nodes), 1);
        const DeviceContext context{&device, &recorder, exchange.get(), transports[0].get()};
        const auto layer = spec.method->create_input(context, spec, 0, input.shape(size.width));
        layer->enqueue_upload(recorder, input, size.layers);
        layer->enqueue_stage(recorder, input, network.front());
        const auto created = spec.method->create_program(context, spec, 0, layer.get());
        StageProgram& program = *created;
        program.enqueue_upload(network, labels);
        program.enqueue_start();
        std::int64_t epoch = 0;
        for (int i = 0; i < size.layers + 3; ++i) program.enqueue_iteration(epoch++, true);
        recorder.synchronize();
        recorder.recording = true;
        program.enqueue_iteration(epoch++, true);
        recorder.recording = false;
        std::vector<double> scalars(static_cast<std::size_t>(size.layers * spec.method->scalars()));
        const double seconds = seconds_of(device, recorder, [&] {
          program.enqueue_iteration(epoch++, true);
          program.enqueue_scalars(scalars.data());
        });
        const cuda::OpReplay::Counts graphs = static_cast<CudaStream&>(*compute).replay_counts();
        const bool in_branches = cuda::OpReplay::kCanBranch && cuda::all_small(recorder.recorded);
        if (in_branches && graphs.captured > 0 && graphs.branched == 0) {
          table.failures.push_back(std::to_string(size.width) +
                                   " neurons: no list of small ops became a graph in branches");
        }
        std::vector<Op> products;
        double bytes = 0, codec = 0;
        for (const Op& op : recorder.recorded) {
          const Phase phase = phase_of(op);
          if (phase == Phase::gemm || phase == Phase::factor) {
            products.push_back(op);
          } else {
            bytes += least_bytes(op);
          }
          std::visit(
              [&](const auto& o) {  // what quantising adds to the pass: scales and codes
                if constexpr (requires { o.quantize; }) {
                  codec += static_cast<double>(o.quantize.message.size() + 4 * o.quantize.scales.size());
                }
              },
              op.variant());
        }
        const std::size_t peak = device.memory().peak;
        const double copy = copy_rate(device, *compute, scope.large ? std::size_t{1} << 30 : 1 << 20);
        const double alone = seconds_of(device, *compute, [&] {
          for (const Op& op : products) compute->enqueue(op);
        });
        const double floor = alone + bytes / copy;
        table.rows.push_back(
            {std::to_string(size.layers) + " x " + std::to_string(size.width) + " x " + std::to_string(size.nodes),
             update == Update::exact ? "exact" : "gradient", precision_name, "8 bits", number(seconds * 1e3),
             number(floor * 1e3), number(floor / seconds), number(alone * 1e3), number(codec / copy / seconds, "%.2g"),
             number(static_cast<double>(peak) / 1048576.0, "%.0f"), std::to_string(graphs.captured),
             std::to_string(graphs.branched), std::to_string(graphs.refused)});
        for (const std::string& cell : table.rows.back()) std::printf("%s  ", cell.c_str());
        std::printf("\n");  // those of large problems take their time
        std::fflush(stdout);
      }
    }
  }
  return table;
}

}  // namespace gamlp::gpu
