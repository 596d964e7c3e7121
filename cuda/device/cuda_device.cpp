#include "cuda/device/cuda_device.hpp"

#include <algorithm>
#include <cstring>

#include "cuda/kernels/ops.hpp"
#include "host/core/clock.hpp"
#include "host/core/error.hpp"
#include "host/device/accelerator.hpp"
#include "host/device/cuda_sizes.hpp"

namespace gamlp {
namespace {

using cuda::check;

constexpr std::size_t kScratchBytes = (cuda::Queue::scratch_bytes() + 255) / 256 * 256;
static_assert(kScratchBytes + cuda::kLibraryWorkspace == kCudaWorkspaceBytes,
              "what forecasts count is what is allocated");
static_assert(cuda::kBranches == kCudaParallelOps);
constexpr std::size_t kPinnedBytes = std::size_t{16} << 20;
constexpr std::size_t kMaxSpans = 4096;  // timed ones that wait to be read
constexpr std::size_t kReadMessages = 32;

class CudaStorage final : public Buffer::Storage {
 public:
  CudaStorage(void* data, std::size_t bytes, MemoryKind kind, std::shared_ptr<MemoryAccount> account)
      : data_(data), entry_(std::move(account), kind, bytes) {}
  ~CudaStorage() override { cudaFree(data_); }
  CudaStorage(const CudaStorage&) = delete;
  CudaStorage& operator=(const CudaStorage&) = delete;

  std::byte* data() const override { return static_cast<std::byte*>(data_); }
  std::size_t bytes() const override { return entry_.bytes(); }

 private:
  void* data_;
  AccountEntry entry_;
};

// Memory of the host.
class PinnedStorage final : public Buffer::Storage {
 public:
  PinnedStorage(void* data, std::size_t bytes, std::shared_ptr<MemoryAccount> account)
      : data_(data), entry_(std::move(account), MemoryKind::host, bytes) {}

  std::byte* data() const override { return static_cast<std::byte*>(data_.get()); }
  std::size_t bytes() const override { return entry_.bytes(); }

 private:
  cuda::PinnedMemory data_;
  AccountEntry entry_;
};

cuda::StreamHandle create_cuda_stream(StreamKind kind) {
  int least = 0, greatest = 0;
  check(cudaDeviceGetStreamPriorityRange(&least, &greatest), "cudaDeviceGetStreamPriorityRange");
  cudaStream_t stream = nullptr;
  check(cudaStreamCreateWithPriority(&stream, cudaStreamNonBlocking, kind == StreamKind::exchange ? greatest : least),
        "cudaStreamCreateWithPriority");
  return cuda::StreamHandle(stream);
}

std::string megabytes(std::size_t bytes) { return std::to_string((bytes + (1u << 20) - 1) >> 20) + " MB"; }

}  // namespace

// ---- device ------------------------------------------------------------------------------------------

CudaDevice::CudaDevice(int ordinal, const CudaOptions& options) : ordinal_(ordinal), options_(options) {
  cuda::use_device(ordinal_);
  memory_stream_ = create_cuda_stream(StreamKind::compute);
}

Buffer CudaDevice::allocate(std::size_t bytes, const std::string& what, MemoryKind kind) {
  cuda::use_device(ordinal_);
  void* data = nullptr;
  if (bytes > 0) {
    const cudaError_t status = cudaMalloc(&data, bytes);
    if (status != cudaSuccess) {
      cudaGetLastError();
      std::size_t free = 0, total = 0;
      std::string room;
      if (cudaMemGetInfo(&free, &total) == cudaSuccess) {
        room = "; " + megabytes(free) + " of " + megabytes(total) + " are free";
      }
      throw DeviceError(name() + ": cannot allocate " + std::to_string(bytes) + " bytes for " + what + ": " +
                        cudaGetErrorString(status) + room);
    }
  }
  Buffer buffer(std::make_unique<CudaStorage>(data, bytes, kind, account_));
  if (bytes > 0) {
    check(cudaMemsetAsync(data, 0, bytes, memory_stream_.get()), "cudaMemsetAsync", what);
    check(cudaStreamSynchronize(memory_stream_.get()), "cudaMemsetAsync", what);
  }
  return buffer;
}

Buffer CudaDevice::allocate_host(std::size_t bytes, const std::string& what) {
  cuda::use_device(ordinal_);
  void* data = nullptr;
  if (bytes > 0) {
    const cudaError_t status = cudaHostAlloc(&data, bytes, cudaHostAllocDefault);
    if (status != cudaSuccess) {
      cudaGetLastError();
      throw DeviceError(name() + ": cannot allocate " + std::to_string(bytes) + " bytes of the host's memory for " +
                        what + ": " + cudaGetErrorString(status));
    }
    std::memset(data, 0, bytes);
  }
  return Buffer(std::make_unique<PinnedStorage>(data, bytes, account_));
}

std::unique_ptr<Stream> CudaDevice::create_stream(const std::string& what, StreamKind kind) {
  cuda::use_device(ordinal_);
  return std::make_unique<CudaStream>(*this, what, kind);
}

std::unique_ptr<Event> CudaDevice::create_event(const std::string&) {
  cuda::use_device(ordinal_);
  return std::make_unique<CudaEvent>(cuda::create_event());
}

void CudaDevice::fail(std::exception_ptr error) noexcept {
  const std::lock_guard lock(failing_);
  if (failure_) return;
  failure_ = std::move(error);
  failed_ = true;
}

void CudaDevice::let_go() noexcept {
  {
    const std::lock_guard lock(failing_);
    let_go_ = true;
  }
  released_.notify_all();
}

void CudaDevice::throw_if_failed() const {
  if (!failed_) return;
  std::unique_lock lock(failing_);
  released_.wait(lock, [&] { return let_go_; });
  std::rethrow_exception(failure_);
}

void CudaDevice::trace(TraceSink* sink) {
  cuda::use_device(ordinal_);
  trace_ = sink;
  if (sink == nullptr) return;
  trace_origin_ = cuda::create_event(cudaEventDefault);
  check(cudaEventRecord(trace_origin_.get(), memory_stream_.get()), "cudaEventRecord");
  check(cudaEventSynchronize(trace_origin_.get()), "cudaEventSynchronize");
  trace_start_ = seconds_now();
}

// ---- events ------------------------------------------------------------------------------------------

void CudaEvent::synchronize() {
  if (stream_ == nullptr) return;
  check(cudaEventSynchronize(event_.get()), "cudaEventSynchronize");
  stream_->device().throw_if_failed();
  stream_->finish_downloads(downloads_);
}

// ---- streams -----------------------------------------------------------------------------------------

CudaStream::CudaStream(CudaDevice& device, const std::string& what, StreamKind kind)
    : device_(device), kind_(kind), stream_(create_cuda_stream(kind)) {
  queue_.stream = stream_.get();
  cuda::name_stream(stream_.get(), "gamlp " + device.name() + " " + what);
  if (kind_ != StreamKind::compute) return;
  scratch_ =
      device.allocate(kCudaWorkspaceBytes, "workspace of the libraries and of sums, " + what, MemoryKind::workspace);
  std::byte* memory = scratch_.raw(scratch_.bytes()).data;
  queue_.use_scratch(memory, memory + kScratchBytes);
  linalg_ = cuda::create_linalg(stream_.get(), device.options().precision);
  queue_.linalg = linalg_.get();
  replay_ = std::make_unique<cuda::OpReplay>(device.ordinal(), queue_, run);
  void* pinned = nullptr;
  check(cudaHostAlloc(&pinned, kPinnedBytes, cudaHostAllocDefault), "cudaHostAlloc");
  pinned_ = cuda::PinnedMemory(pinned);
}

CudaStream::~CudaStream() {
  try {
    // The libraries' handles are released on the device that they were made on.
    cuda::use_device(device_.ordinal());
  } catch (const DeviceError&) {
    // Told by the call that failed before.
  }
  cudaStreamSynchronize(stream_.get());
}

void CudaStream::enqueue(const Op& op) {
  if (kind_ == StreamKind::exchange) throw std::logic_error("the exchange stream carries messages only");
  if (kind_ == StreamKind::copy) return copy(op);
  if (const auto* upload_op = std::get_if<ops::Upload>(&op.variant())) return upload(*upload_op);
  if (const auto* download_op = std::get_if<ops::Download>(&op.variant())) return download(*download_op);
  if (device_.trace_sink() == nullptr && device_.options().graphs && !cuda::profiling()) {
    collected_.push_back(op);
    return;
  }
  flush();  // what was collected before it was not any more
  const bool timed = device_.trace_sink() != nullptr;
  const Phase phase = phase_of(op);
  if (timed) begin_span({name_of(op), phase_name(phase), "", label_, Lane::compute, 0, 0, 0});
  run(op, queue_);
  if (timed) {
    spans_.back().phase = static_cast<int>(phase);
    end_span();
  }
}

void CudaStream::run(const Op& op, cuda::Queue queue) {
  std::visit([&](const auto& o) { cuda::run(o, queue); }, op.variant());
}

void CudaStream::label(const StepLabel& label) {
  label_ = label;
  ranges_.label(label);
}

// Gives the stream what was collected.
void CudaStream::flush() {
  cuda::use_device(device_.ordinal());
  if (collected_.empty()) return;
  // Taken out first: after an error they are not tried again.
  const std::vector<Op> list = std::exchange(collected_, {});
  replay_->enqueue(list);
}

cudaStream_t CudaStream::ready() {
  flush();
  return stream_.get();
}

void CudaStream::record(Event& event) {
  flush();
  auto& e = static_cast<CudaEvent&>(event);
  check(cudaEventRecord(e.get(), stream_.get()), "cudaEventRecord");
  e.stream_ = this;
  e.downloads_ = downloads_made_;
}

void CudaStream::wait(Event& event, const char* protects) {
  flush();
  const auto& e = static_cast<const CudaEvent&>(event);
  if (e.stream_ == nullptr) return;
  const bool for_messages = kind_ == StreamKind::compute && e.stream_->kind_ == StreamKind::exchange;
  if (for_messages) {
    if (messages_.waiting() >= kReadMessages) read_messages(false);
    begin_span({"wait", "wait", protects, label_, Lane::compute, 0, 0, 0});
    messages_.begin(stream_.get());
  }
  check(cudaStreamWaitEvent(stream_.get(), e.get(), 0), "cudaStreamWaitEvent");
  if (for_messages) {
    messages_.end(stream_.get());
    end_span();
  }
}

void CudaStream::synchronize() {
  flush();
  check(cudaStreamSynchronize(stream_.get()), "cudaStreamSynchronize");
  device_.throw_if_failed();
  finish_downloads(downloads_made_);
  read_spans();
  read_messages(true);
}

// Between the device and pinned memory of the host.
void CudaStream::copy(const Op& op) {
  const auto* copy = std::get_if<ops::Copy>(&op.variant());
  if (copy == nullptr) throw std::logic_error("a copy stream carries copies only");
  if (copy->out.empty()) return;
  cuda::use_device(device_.ordinal());
  begin_span({ops::Copy::name, phase_name(Phase::copy), "", label_, Lane::copy, 0, 0, 0});
  check(cudaMemcpyAsync(copy->out.data, copy->in.data, static_cast<std::size_t>(copy->out.size()), cudaMemcpyDefault,
                        stream_.get()),
        "cudaMemcpyAsync between the device and the host");
  end_span();
}

// From pageable memory the call returns when the host's memory has been read.
void CudaStream::upload(const ops::Upload& op) {
  flush();
  if (op.out.empty()) return;
  check(cudaMemcpyAsync(op.out.data, op.host, static_cast<std::size_t>(op.out.size()), cudaMemcpyHostToDevice,
                        stream_.get()),
        "cudaMemcpyAsync to the device");
}

// ---- downloads ---------------------------------------------------------------------------------------

// A place in the ring of pinned memory; null when `bytes` does not fit beside what is still waiting there.
std::byte* CudaStream::stage(std::size_t bytes) {
  if (bytes > kPinnedBytes / 2) return nullptr;
  auto* ring = static_cast<std::byte*>(pinned_.get());
  if (downloads_.empty()) pinned_head_ = 0;
  if (!downloads_.empty()) {
    const auto tail = static_cast<std::size_t>(downloads_.front().staged - ring);
    if (pinned_head_ <= tail) {  // what waits goes over the end of the ring
      if (pinned_head_ + bytes > tail) return nullptr;
    } else if (pinned_head_ + bytes > kPinnedBytes) {
      if (bytes > tail) return nullptr;
      pinned_head_ = 0;
    }
  }
  std::byte* place = ring + pinned_head_;
  pinned_head_ += (bytes + 255) / 256 * 256;
  return place;
}

void CudaStream::download(const ops::Download& op) {
  flush();
  const auto bytes = static_cast<std::size_t>(op.in.size());
  if (bytes == 0) return;
  std::byte* staged = stage(bytes);
  // What finds no room goes straight to the host's memory, which makes the host wait.
  check(cudaMemcpyAsync(staged != nullptr ? staged : op.host, op.in.data, bytes, cudaMemcpyDeviceToHost, stream_.get()),
        "cudaMemcpyAsync to the host");
  if (staged == nullptr) return;
  downloads_.push_back({++downloads_made_, staged, op.host, bytes});
}

void CudaStream::finish_downloads(std::uint64_t number) {
  while (!downloads_.empty() && downloads_.front().number <= number) {
    const Download& d = downloads_.front();
    std::memcpy(d.host, d.staged, d.bytes);
    downloads_.pop_front();
  }
}

// ---- time --------------------------------------------------------------------------------------------

void CudaStream::begin_exchange(const Span& span) {
  if (messages_.waiting() >= kReadMessages) read_messages(false);
  begin_span(span);
  messages_.begin(stream_.get());
}

void CudaStream::end_exchange() {
  messages_.end(stream_.get());
  end_span();
}

void CudaStream::read_messages(bool all) {
  const double seconds = messages_.take(all);
  DeviceTimes& clock = device_.clock();
  (kind_ == StreamKind::exchange ? clock.under_way : clock.wait) += seconds;
}

void CudaStream::begin_span(const Span& span) {
  if (device_.trace_sink() == nullptr) return;
  if (spans_.size() >= kMaxSpans) {
    check(cudaStreamSynchronize(stream_.get()), "cudaStreamSynchronize");
    read_spans();
  }
  spans_.push_back({cuda::create_event(cudaEventDefault), cuda::create_event(cudaEventDefault), span, -1});
  check(cudaEventRecord(spans_.back().start.get(), stream_.get()), "cudaEventRecord");
}

void CudaStream::end_span() {
  if (device_.trace_sink() == nullptr || spans_.empty()) return;
  check(cudaEventRecord(spans_.back().end.get(), stream_.get()), "cudaEventRecord");
}

// All spans are complete.
void CudaStream::read_spans() {
  for (TimedSpan& timed : spans_) {
    // In float32 milliseconds: since the origin good to microseconds for a minute, from start to end always.
    float start = 0, length = 0;
    check(cudaEventElapsedTime(&start, device_.trace_origin(), timed.start.get()), "cudaEventElapsedTime");
    check(cudaEventElapsedTime(&length, timed.start.get(), timed.end.get()), "cudaEventElapsedTime");
    const double seconds = 1e-3 * static_cast<double>(length);
    timed.span.start = device_.trace_start() + 1e-3 * static_cast<double>(start);
    timed.span.end = timed.span.start + seconds;
    if (timed.phase >= 0) device_.clock().phase[static_cast<std::size_t>(timed.phase)] += seconds;
    if (TraceSink* sink = device_.trace_sink()) sink->span(timed.span);
  }
  spans_.clear();
}

}  // namespace gamlp
