#include "host/train/evaluator.hpp"

#include <algorithm>
#include <cmath>

#include "host/core/clock.hpp"
#include "host/math/argmax.hpp"

namespace gamlp {
namespace {

constexpr std::size_t kMaxWaiting = 4;

}  // namespace

double accuracy_of(const Matrix& scores, const std::vector<std::int32_t>& labels) {
  if (labels.empty()) return std::nan("");
  std::int64_t correct = 0;
  for (std::int64_t i = 0; i < scores.rows(); ++i) {
    correct += best_class(scores.row(i), scores.cols()).index == labels[static_cast<std::size_t>(i)];
  }
  return static_cast<double>(correct) / static_cast<double>(labels.size());
}

std::vector<ClassFigures> class_figures(const Matrix& scores, const std::vector<std::int32_t>& labels,
                                        std::int32_t classes) {
  std::vector<ClassFigures> figures(static_cast<std::size_t>(classes));
  for (std::int64_t i = 0; i < scores.rows(); ++i) {
    const auto label = static_cast<std::size_t>(labels[static_cast<std::size_t>(i)]);
    const auto predicted = static_cast<std::size_t>(best_class(scores.row(i), scores.cols()).index);
    ++figures[label].nodes;
    ++figures[predicted].predicted;
    if (label == predicted) ++figures[label].correct;
  }
  return figures;
}

EvaluationShape evaluation_shape(const Config& config, const TrainingShape& shape,
                                 const std::array<std::int64_t, 3>& nodes, bool resident) {
  const int layers = static_cast<int>(config.stages.back().layers);
  return {shape.kind, layer_widths(layers, shape.input_width(), config.model.width, shape.problem.classes), nodes,
          resident};
}

std::vector<EvaluationShape> evaluation_shapes(const Config& config, const Problem& problem, bool resident) {
  std::vector<EvaluationShape> shapes;
  TrainingShape shape = problem.shape(1);
  for (const LayerInputs& inputs : problem.layer_inputs) {
    shape.kind = inputs.train.kind;
    shapes.push_back(evaluation_shape(config, shape, problem.part_nodes(), resident));
  }
  return shapes;
}

// ---- evaluation --------------------------------------------------------------------------------------
namespace {

std::int64_t most_of(const std::array<std::int64_t, 3>& nodes) { return *std::max_element(nodes.begin(), nodes.end()); }

// Calls body(part, first row, rows, number of the block) for every block of every part.
template <class Body>
void for_each_block(const std::array<std::int64_t, 3>& nodes, std::int64_t block, Body body) {
  std::int64_t number = 0;
  for (std::size_t part = 0; part < nodes.size(); ++part) {
    for (std::int64_t first = 0; first < nodes[part]; first += block) {
      body(part, first, std::min(block, nodes[part] - first), number++);
    }
  }
}

}  // namespace

Evaluation::Evaluation(Device& device, const EvaluationShape& shape, const ActivationRule& f)
    : shape_(shape),
      block_(std::min(Predictor::kMaxRows, most_of(shape.nodes))),
      predictor_(device, shape.widths, block_, f) {
  const auto inputs = static_cast<std::size_t>(shape.widths.front());
  std::int64_t blocks = 0;
  for_each_block(shape.nodes, block_, [&](std::size_t, std::int64_t, std::int64_t, std::int64_t) { ++blocks; });
  for (std::size_t part = 0; part < shape.nodes.size(); ++part) {
    const auto rows = static_cast<std::size_t>(shape.nodes[part]);
    labels_[part] = device.allocate(rows * sizeof(std::int32_t), "labels of the evaluation", MemoryKind::data);
    const std::size_t held = shape.resident ? rows : part == 0 ? static_cast<std::size_t>(block_) : 0;
    inputs_[part] = device.allocate(held * inputs * sizeof(float), "inputs of the evaluation", MemoryKind::data);
  }
  counts_ = device.allocate(static_cast<std::size_t>(blocks) * sizeof(double), "counts of the evaluation",
                            MemoryKind::workspace);
}

Accuracies Evaluation::accuracies(Stream& stream, const Problem& problem, const Network& network) {
  const auto upload = [&](const void* from, Bytes to) {
    stream.enqueue(ops::Upload{static_cast<const std::byte*>(from), to});
  };
  const LayerInputs& inputs = problem.inputs_of(shape_.kind);
  if (!uploaded_) {
    for (std::size_t part = 0; part < shape_.nodes.size(); ++part) {
      const EvaluationPart& p = problem.parts[part];
      upload(p.labels.data(), labels_[part].raw(labels_[part].bytes()));
      if (shape_.resident) upload(inputs.part(part).data, inputs_[part].raw(inputs_[part].bytes()));
    }
    uploaded_ = true;
  }
  predictor_.enqueue_weights(stream, network);
  const std::int64_t width = shape_.widths.front();
  std::vector<double> counts(counts_.bytes() / sizeof(double));
  for_each_block(shape_.nodes, block_, [&](std::size_t part, std::int64_t first, std::int64_t rows, std::int64_t i) {
    ConstMat x;
    if (shape_.resident) {
      const Mat all = inputs_[part].mat(shape_.nodes[part], width);
      x = {all.row(first), rows, width};
    } else {
      const Mat place = inputs_[0].mat(rows, width);
      upload(inputs.part(part).row(first), as_bytes(place));
      x = place;
    }
    const ConstMat scores = predictor_.enqueue_scores(stream, x);
    const auto labels = labels_[part].view<std::int32_t>(1, shape_.nodes[part]);
    const auto all = counts_.view<double>(1, static_cast<std::int64_t>(counts.size()));
    stream.enqueue(ops::Correct{scores, {labels.data + first, 1, rows}, {all.data + i, 1, 1}});
  });
  stream.enqueue(ops::Download{counts_.raw(counts_.bytes()), reinterpret_cast<std::byte*>(counts.data())});
  stream.synchronize();
  std::array<double, 3> correct{};
  for_each_block(shape_.nodes, block_, [&](std::size_t part, std::int64_t, std::int64_t, std::int64_t i) {
    correct[part] += counts[static_cast<std::size_t>(i)];
  });
  const auto share = [&](std::size_t part) {
    return shape_.nodes[part] == 0 ? std::nan("") : correct[part] / static_cast<double>(shape_.nodes[part]);
  };
  return {share(0), share(1), share(2)};
}

// ---- evaluator ---------------------------------------------------------------------------------------

Evaluator::Evaluator(const Problem& problem, const ActivationRule& f, std::unique_ptr<Device> device,
                     std::vector<EvaluationShape> shapes)
    : problem_(problem),
      activation_(f),
      device_(std::move(device)),
      stream_(device_->create_stream("evaluation", StreamKind::compute)),
      shapes_(std::move(shapes)) {
  use(shapes_.front().kind);
  thread_ = std::thread([this] { work(); });
}

void Evaluator::use(InputKind kind) {
  const std::lock_guard lock(mutex_);
  expects(waiting_.empty() && !busy_, "no evaluation is under way");
  if (evaluation_ && kind_ == kind) return;
  const auto shape =
      std::find_if(shapes_.begin(), shapes_.end(), [&](const EvaluationShape& one) { return one.kind == kind; });
  expects(shape != shapes_.end(), "some stage has these coordinates");
  evaluation_.reset();
  evaluation_ = std::make_unique<Evaluation>(*device_, *shape, activation_);
  kind_ = kind;
}

Evaluator::~Evaluator() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Evaluator::submit(std::int64_t epoch, std::shared_ptr<Network> network, bool downloaded, bool leader) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return waiting_.size() < kMaxWaiting || failure_; });
  if (failure_) std::rethrow_exception(failure_);
  waiting_.push_back({downloaded, {epoch, {}, std::move(network), leader}});
  changed_.notify_all();
}

std::optional<Evaluator::Result> Evaluator::next(bool wait) {
  std::unique_lock lock(mutex_);
  if (wait) changed_.wait(lock, [&] { return !finished_.empty() || failure_ || (waiting_.empty() && !busy_); });
  if (failure_) std::rethrow_exception(failure_);
  if (finished_.empty()) return std::nullopt;
  Result result = std::move(finished_.front());
  finished_.pop_front();
  return result;
}

double Evaluator::seconds() const {
  const std::lock_guard lock(mutex_);
  return seconds_;
}

void Evaluator::work() {
  for (;;) {
    Job job;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return closing_ || !waiting_.empty(); });
      if (closing_) return;
      job = std::move(waiting_.front());
      waiting_.pop_front();
      busy_ = true;
    }
    const auto start = Clock::now();
    std::exception_ptr failure;
    try {
      Network& network = *job.result.network;
      if (job.downloaded) problem_.inputs_of(kind_).train.to_host_layout(network.front());
      job.result.accuracies = evaluation_->accuracies(*stream_, problem_, network);
    } catch (...) {
      failure = std::current_exception();
    }
    {
      const std::lock_guard lock(mutex_);
      busy_ = false;
      seconds_ += seconds_since(start);
      if (failure) {
        failure_ = failure;
      } else {
        finished_.push_back(std::move(job.result));
      }
    }
    changed_.notify_all();
    // What failed may have left downloads on the stream, into memory that is gone: nothing waits for it any more.
    if (failure) return;
  }
}

}  // namespace gamlp
