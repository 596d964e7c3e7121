// The CUDA device of the seam (host/device/device.hpp). All calls on one device come from one thread at a time.
//
// The compute stream collects the ops that it is given. It enqueues them when order to something else is asked for: an
// event, a copy to or from the host, or a wait of the host. A list of ops that comes a second time is captured as a
// CUDA graph, and from then on replayed (op_replay.hpp). So an iteration in which nothing changes costs one launch.
//
// Downloads go through pinned memory. The host makes its copy when it waits for the stream, or for an event recorded
// after the download. So nothing in an iteration waits for the device. Only a download of more than half of that memory
// (8 MB), or of more than is free of it, makes the host wait.
//
// Where there are messages to wait for, events say how long the compute stream stood still for them (times().wait), and
// how long they were under way (times().under_way).
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "cuda/core/handles.hpp"
#include "cuda/core/profile.hpp"
#include "cuda/core/queue.hpp"
#include "cuda/device/interval_timer.hpp"
#include "cuda/device/op_replay.hpp"
#include "cuda/linalg/linalg.hpp"
#include "host/device/device.hpp"
#include "host/device/memory_account.hpp"
#include "host/device/ops.hpp"
#include "host/device/trace.hpp"

namespace gamlp {

struct CudaOptions {
  ProductPrecision precision = ProductPrecision::float32;
  bool graphs = true;  // replay captured graphs
};

class CudaDevice;
class CudaStream;

class CudaEvent final : public Event {
 public:
  explicit CudaEvent(cuda::EventHandle event) : event_(std::move(event)) {}
  void synchronize() override;
  cudaEvent_t get() const { return event_.get(); }

 private:
  friend class CudaStream;
  cuda::EventHandle event_;
  CudaStream* stream_ = nullptr;  // of the last record(); null: none yet
  std::uint64_t downloads_ = 0;   // of that stream before it
};

class CudaStream final : public Stream {
 public:
  CudaStream(CudaDevice& device, const std::string& what, StreamKind kind);
  ~CudaStream() override;
  CudaStream(const CudaStream&) = delete;
  CudaStream& operator=(const CudaStream&) = delete;

  void enqueue(const Op& op) override;
  void record(Event& event) override;
  void wait(Event& event, const char* protects) override;
  void label(const StepLabel& label) override;
  void synchronize() override;

  // For transports. Enqueues what was collected, and returns the stream to launch on.
  cudaStream_t ready();
  // A transport calls them round what it enqueues for a group of messages. `span` is how a timeline shows the group.
  void begin_exchange(const Span& span);
  void end_exchange();
  CudaDevice& device() { return device_; }
  // Only for a compute stream.
  const cuda::OpReplay::Counts& replay_counts() const { return replay_->counts(); }

 private:
  friend class CudaEvent;
  struct Download {
    std::uint64_t number;
    const std::byte* staged;
    std::byte* host;
    std::size_t bytes;
  };
  struct TimedSpan {
    cuda::EventHandle start, end;
    Span span;
    int phase;  // −1: of no op
  };

  void flush();
  static void run(const Op& op, cuda::Queue queue);
  void copy(const Op& op);
  void upload(const ops::Upload& op);
  void download(const ops::Download& op);
  std::byte* stage(std::size_t bytes);
  void finish_downloads(std::uint64_t number);
  void begin_span(const Span& span);
  void end_span();
  void read_spans();
  void read_messages(bool all);

  CudaDevice& device_;
  StreamKind kind_;
  cuda::StreamHandle stream_;
  Buffer scratch_;
  cuda::LinalgOwner linalg_;
  cuda::Queue queue_;
  std::unique_ptr<cuda::OpReplay> replay_;
  std::vector<Op> collected_;
  cuda::PinnedMemory pinned_;
  std::size_t pinned_head_ = 0;
  std::deque<Download> downloads_;
  std::uint64_t downloads_made_ = 0;
  StepLabel label_;
  cuda::ProfileRanges ranges_;
  std::vector<TimedSpan> spans_;
  cuda::IntervalTimer messages_;  // exchange stream: under way; compute stream: waited for
};

class CudaDevice final : public Device {
 public:
  CudaDevice(int ordinal, const CudaOptions& options);

  std::string name() const override { return "cuda:" + std::to_string(ordinal_); }
  Buffer allocate(std::size_t bytes, const std::string& what, MemoryKind kind) override;
  Buffer allocate_host(std::size_t bytes, const std::string& what) override;
  std::unique_ptr<Stream> create_stream(const std::string& what, StreamKind kind) override;
  std::unique_ptr<Event> create_event(const std::string& what) override;
  int parallel_ops() const override { return options_.graphs ? static_cast<int>(cuda::kBranches) : 1; }
  MemoryUse memory() const override { return account_->use(); }
  DeviceTimes times() const override { return times_; }
  void trace(TraceSink* sink) override;

  // fail() says that the run cannot go on, because of `error`. Every present and later wait for this device throws it,
  // however the device goes on. But the wait returns only once let_go() says that nothing else touches the device's
  // memory any more. Any thread may call them.
  void fail(std::exception_ptr error) noexcept;
  void let_go() noexcept;
  void throw_if_failed() const;

  int ordinal() const { return ordinal_; }
  const CudaOptions& options() const { return options_; }
  TraceSink* trace_sink() { return trace_; }
  DeviceTimes& clock() { return times_; }
  // The point of the timeline's clock from which events are measured.
  cudaEvent_t trace_origin() const { return trace_origin_.get(); }
  double trace_start() const { return trace_start_; }

 private:
  int ordinal_;
  CudaOptions options_;
  std::shared_ptr<MemoryAccount> account_ = std::make_shared<MemoryAccount>();
  cuda::StreamHandle memory_stream_;  // fills new buffers
  DeviceTimes times_;                 // phases only while a timeline is made: otherwise no op is timed
  TraceSink* trace_ = nullptr;
  cuda::EventHandle trace_origin_;
  double trace_start_ = 0;
  std::atomic<bool> failed_{false};
  mutable std::mutex failing_;
  mutable std::condition_variable released_;
  std::exception_ptr failure_;
  bool let_go_ = false;
};

}  // namespace gamlp
