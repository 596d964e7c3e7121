// Computes the accuracy of weight snapshots. The Evaluator has a device and a thread of its own, so that training goes
// on meanwhile.
#pragma once

#include <array>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "host/methods/common/predictor.hpp"
#include "host/problem/problem.hpp"
#include "host/store/metrics.hpp"

namespace gamlp {

// Returns the share of nodes whose best class (argmax.hpp) is their label. NaN when there are no nodes.
double accuracy_of(const Matrix& scores, const std::vector<std::int32_t>& labels);

// The figures of one class on one part: nodes with this label, nodes predicted to have it, and nodes that are both.
struct ClassFigures {
  std::int64_t nodes = 0, predicted = 0, correct = 0;
};
std::vector<ClassFigures> class_figures(const Matrix& scores, const std::vector<std::int32_t>& labels,
                                        std::int32_t classes);

// The sizes that the memory of an evaluation on its device depends on.
struct EvaluationShape {
  InputKind kind = InputKind::plain;    // the coordinates of layer 1
  std::vector<std::int64_t> widths;     // of the deepest network, in these coordinates
  std::array<std::int64_t, 3> nodes{};  // train, validation, test
  // Whether the parts' inputs stay on the device. Otherwise they pass through it each time, a block at a time.
  bool resident = false;
};
EvaluationShape evaluation_shape(const Config& config, const TrainingShape& shape,
                                 const std::array<std::int64_t, 3>& nodes, bool resident);
// Returns one for each kind of coordinates that some stage has, in the order of the stages.
std::vector<EvaluationShape> evaluation_shapes(const Config& config, const Problem& problem, bool resident);

// Applies networks to a problem's parts on a device.
class Evaluation {
 public:
  // Allocates all memory that it needs.
  Evaluation(Device& device, const EvaluationShape& shape, const ActivationRule& f);
  // Returns the accuracies of a network in the shape's coordinates. Waits for them. All calls have the same problem.
  Accuracies accuracies(Stream& stream, const Problem& problem, const Network& network);

 private:
  EvaluationShape shape_;
  std::int64_t block_;  // rows at a time
  Predictor predictor_;
  std::array<Buffer, 3> inputs_, labels_;  // not resident: inputs_[0] has room for a block
  Buffer counts_;                          // a double per block of each part
  bool uploaded_ = false;
};

// Evaluates networks one after the other on its own thread. After a failure submit() and next() throw it.
class Evaluator {
 public:
  // `problem` must outlive the evaluator. `shapes` has one for each kind of coordinates. Begins with use() of the
  // first.
  Evaluator(const Problem& problem, const ActivationRule& f, std::unique_ptr<Device> device,
            std::vector<EvaluationShape> shapes);
  ~Evaluator();
  Evaluator(const Evaluator&) = delete;
  Evaluator& operator=(const Evaluator&) = delete;

  struct Result {
    std::int64_t epoch = 0;
    Accuracies accuracies;
    std::shared_ptr<Network> network;
    bool leader = false;  // as the caller said
  };

  // From here networks are in the coordinates `kind`. Frees the memory of the coordinates before and allocates that of
  // these. No evaluation may be under way. Nothing may be enqueued on this process's devices either: on a GPU freeing
  // waits for all that is, and a message may wait for a device that the same thread has yet to enqueue on.
  void use(InputKind kind);
  // Puts a network into the queue. `downloaded`: its layer 1 is as StageProgram::enqueue_weights() leaves it, and
  // next() returns it in the layout of the host. `leader` marks its result. The caller must not change the network
  // afterwards. The queue holds four at most; a further submit() waits.
  void submit(std::int64_t epoch, std::shared_ptr<Network> network, bool downloaded = true, bool leader = false);
  // Returns the oldest finished result, if there is one. next(true) waits for one while evaluations are pending.
  std::optional<Result> next(bool wait);
  double seconds() const;  // spent evaluating
  MemoryUse memory() const { return device_->memory(); }

 private:
  struct Job {
    bool downloaded = true;
    Result result;
  };

  void work();

  const Problem& problem_;
  ActivationRule activation_;
  std::unique_ptr<Device> device_;
  std::unique_ptr<Stream> stream_;
  std::vector<EvaluationShape> shapes_;
  InputKind kind_ = InputKind::plain;  // of evaluation_; both change only while thread_ waits for a network
  std::unique_ptr<Evaluation> evaluation_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> waiting_;
  std::deque<Result> finished_;
  bool busy_ = false, closing_ = false;
  double seconds_ = 0;
  std::exception_ptr failure_;
  std::thread thread_;
};

}  // namespace gamlp
