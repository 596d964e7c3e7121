#include "host/cpu/cpu_device.hpp"

#include <algorithm>
#include <cstring>
#include <new>

#include "host/core/clock.hpp"
#include "host/core/error.hpp"
#include "host/core/memory.hpp"
#include "host/cpu/blas.hpp"

namespace gamlp {
namespace {

class CpuStorage final : public Buffer::Storage {
 public:
  CpuStorage(std::size_t bytes, MemoryKind kind, std::shared_ptr<MemoryAccount> account)
      : data_(static_cast<std::byte*>(allocate_aligned(bytes))), entry_(std::move(account), kind, bytes) {
    std::memset(data_, 0, bytes);
  }
  ~CpuStorage() override { free_aligned(data_); }
  CpuStorage(const CpuStorage&) = delete;
  CpuStorage& operator=(const CpuStorage&) = delete;

  std::byte* data() const override { return data_; }
  std::size_t bytes() const override { return entry_.bytes(); }

 private:
  std::byte* data_;
  AccountEntry entry_;
};

}  // namespace

Buffer CpuDevice::allocate(std::size_t bytes, const std::string& what, MemoryKind kind) {
  return with_room_for(name() + ": " + what,
                       [&] { return Buffer(std::make_unique<CpuStorage>(bytes, kind, account_)); });
}

namespace {

// A file, which is in the device's list for as long as it lives. The storage may outlive the device.
class FileStorage final : public Buffer::Storage {
 public:
  FileStorage(std::size_t bytes, std::shared_ptr<HostFiles> files, std::shared_ptr<MemoryAccount> account)
      : file_(bytes), files_(std::move(files)), entry_(std::move(account), MemoryKind::host, bytes) {
    (*files_)[file_.data()] = &file_;
  }
  ~FileStorage() override { files_->erase(file_.data()); }
  FileStorage(const FileStorage&) = delete;
  FileStorage& operator=(const FileStorage&) = delete;

  std::byte* data() const override { return file_.data(); }
  std::size_t bytes() const override { return entry_.bytes(); }

 private:
  cpu::HostFile file_;
  std::shared_ptr<HostFiles> files_;
  AccountEntry entry_;
};

}  // namespace

Buffer CpuDevice::allocate_host(std::size_t bytes, const std::string& what) {
  return with_room_for(name() + ": " + what,
                       [&] { return Buffer(std::make_unique<FileStorage>(bytes, files_, account_)); });
}

const cpu::HostFile* CpuDevice::host_file(const std::byte* address) const {
  const auto after = files_->upper_bound(address);
  if (after == files_->begin()) return nullptr;
  const cpu::HostFile* file = std::prev(after)->second;
  return file->holds(address) ? file : nullptr;
}

std::unique_ptr<Stream> CpuDevice::create_stream(const std::string&, StreamKind kind) {
  if (kind == StreamKind::compute) return std::make_unique<CpuComputeStream>(*this);
  if (kind == StreamKind::copy) return std::make_unique<CpuCopyStream>(*this);
  return std::make_unique<CpuExchangeStream>(*this);
}

std::unique_ptr<Event> CpuDevice::create_event(const std::string&) { return std::make_unique<CpuEvent>(); }

void CpuEvent::synchronize() {
  if (pending_on_ != nullptr) pending_on_->finish(ticket_);
  pending_on_ = nullptr;
}

// ---- compute: runs at once ---------------------------------------------------------------------------

void CpuComputeStream::enqueue(const Op& op) {
  thread_local int threads_set = 0;
  if (threads_set != device_.threads()) {
    set_blas_threads(device_.threads());
    threads_set = device_.threads();
  }
  const double start = seconds_now();
  std::visit([&](const auto& o) { cpu::run(o, device_.scratch()); }, op.variant());
  count(op, start);
}

void CpuComputeStream::count(const Op& op, double start) {
  const double end = seconds_now();
  const Phase phase = phase_of(op);
  device_.clock().phase[static_cast<std::size_t>(phase)] += end - start;
  if (TraceSink* sink = device_.trace_sink()) {
    sink->span({name_of(op), phase_name(phase), "", label_, Lane::compute, start, end, 0});
  }
}

void CpuComputeStream::record(Event& event) { static_cast<CpuEvent&>(event).pending_on_ = nullptr; }

void CpuComputeStream::wait(Event& event, const char* protects) {
  TraceSink* sink = device_.trace_sink();
  if (sink == nullptr) return event.synchronize();
  const double start = seconds_now();
  event.synchronize();
  sink->span({"wait", "wait", protects, label_, Lane::compute, start, seconds_now(), 0});
}

// ---- copies: run at once -----------------------------------------------------------------------------

void CpuCopyStream::enqueue(const Op& op) {
  const auto* copy = std::get_if<ops::Copy>(&op.variant());
  if (copy == nullptr) throw std::logic_error("a copy stream carries copies only");
  const double start = seconds_now();
  const auto bytes = static_cast<std::size_t>(copy->out.size());
  if (const cpu::HostFile* from = device_.host_file(copy->in.data)) {
    from->read(copy->in.data, copy->out.data, bytes);
  } else if (const cpu::HostFile* to = device_.host_file(copy->out.data)) {
    to->write(copy->in.data, copy->out.data, bytes);
  } else {
    throw std::logic_error("a copy stream copies from or to the host's memory");
  }
  count(op, start);
}

// ---- exchange: lazy ----------------------------------------------------------------------------------

void CpuExchangeStream::enqueue(const Op&) { throw std::logic_error("the exchange stream carries messages only"); }

void CpuExchangeStream::record(Event& event) {
  auto& e = static_cast<CpuEvent&>(event);
  e.pending_on_ = completed_ == added_ ? nullptr : this;
  e.ticket_ = added_;
}

void CpuExchangeStream::wait(Event& event, const char*) {
  // Events of the compute stream have always passed; one of an exchange stream is waited for in order.
  event.synchronize();
}

void CpuExchangeStream::synchronize() { finish(added_); }

void CpuExchangeStream::add(std::unique_ptr<ExchangeTask> task, const Span& span) {
  const double now = seconds_now();
  tasks_.push_back({std::move(task), span});
  tasks_.back().span.start = now;
  ++added_;
  progress();
}

void CpuExchangeStream::progress() {
  // Groups that only send, behind others that only send, begin at once: what they read is ready, and a neighbour may
  // wait for them while this thread has nothing to do.
  for (std::size_t i = 0; i < tasks_.size() && tasks_[i].task->only_sends(); ++i) tasks_[i].task->progress();
  while (!tasks_.empty() && tasks_.front().task->progress()) {
    Pending& done = tasks_.front();
    done.span.end = done.task->completed();
    if (done.span.end == 0) done.span.end = seconds_now();
    if (TraceSink* sink = device_.trace_sink()) sink->span(done.span);
    // The next one may have begun before this one was found complete.
    device_.clock().under_way += std::max(0.0, done.span.end - std::max(busy_since_, done.span.start));
    busy_since_ = std::max(busy_since_, done.span.end);
    tasks_.pop_front();
    ++completed_;
  }
}

void CpuExchangeStream::finish(std::uint64_t ticket) {
  progress();
  if (completed_ >= ticket) return;
  const double start = seconds_now();
  DeviceTimes& clock = device_.clock();
  const double copied = clock.exchange;
  while (completed_ < ticket) {
    tasks_.front().task->block();
    progress();
  }
  // Copying counts as exchange, the rest of this time as waiting.
  clock.wait += seconds_now() - start - (clock.exchange - copied);
}

}  // namespace gamlp
