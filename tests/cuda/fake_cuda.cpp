#include "tests/cuda/fake_cuda.hpp"

#include <algorithm>
#include <cblas.h>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <cublasLt.h>
#include <cublas_v2.h>
#include <cuda_profiler_api.h>
#include <cuda_runtime_api.h>
#include <cusolverDn.h>
#include <cusparse.h>
#include <deque>
#include <functional>
#include <lapacke.h>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <sys/mman.h>
#include <thread>
#include <vector>

#include "host/math/random.hpp"
#include "tests/cuda/fake_streams.hpp"
#include "tests/simt/executor.hpp"

using Task = std::function<void()>;

struct FakeEvent {
  std::uint64_t recorded = 0, passed = 0;  // numbers of records: enqueued, reached
};

// What a stream holds: work, a wait for the record `ticket` of an event, or for something outside of the streams.
struct FakeItem {
  Task run;
  std::shared_ptr<FakeEvent> event;
  std::uint64_t ticket = 0;
  std::function<bool()> ready;
};

// A node is as deep as the longest way to it.
struct CUgraphNode_st {
  Task task;
  std::vector<std::size_t> after;
  std::size_t index = 0, depth = 1;
};

struct FakeGraph {
  std::deque<CUgraphNode_st> nodes;  // stay in place
};

struct CUstream_st {
  int device = 0;
  bool reserved = false;
  std::deque<FakeItem> items;
  FakeGraph* capturing = nullptr;
  std::vector<cudaGraphNode_t> after;        // what is captured next comes after these
  std::vector<cudaGraphEdgeData> edge_data;  // as many
  bool spoilt = false;                       // something that cannot be captured was tried
};
struct CUevent_st {
  std::shared_ptr<FakeEvent> state = std::make_shared<FakeEvent>();  // outlives the handle while a stream needs it
};
struct CUgraph_st : FakeGraph {};
struct CUgraphExec_st : FakeGraph {};
struct cublasContext {
  cudaStream_t stream = nullptr;
};
struct cublasLtContext {};
struct cusolverDnContext {
  cudaStream_t stream = nullptr;
};
struct cusparseContext {
  cudaStream_t stream = nullptr;
};
struct cusparseSpMatDescr {
  std::int64_t rows, cols, entries;
  const std::int32_t *offsets, *columns;
  const float* values;
};
struct cusparseDnMatDescr {
  std::int64_t rows, cols, ld;
  float* values;
};

namespace {

struct Block {
  std::size_t bytes;
  int device;
};

struct State {
  std::recursive_mutex mutex;
  fake_cuda::Options options;
  fake_cuda::Counts counts;
  gamlp::Random random{1};
  std::set<CUstream_st*> streams;
  std::map<void*, Block> device_memory;
  std::map<void*, std::size_t> pinned_memory;
  std::set<void*> cleared;  // large blocks that were set to zero once
  std::size_t used = 0;
};
constexpr std::size_t kLargeBlock = std::size_t{16} << 20;
State& state() {
  static State instance;
  return instance;
}
thread_local int t_device = 0;

using fake_cuda::fails;
using fake_cuda::let_others;
using fake_cuda::misused;

// Runs the first item of a stream; false when it has none, or waits.
bool step(CUstream_st& stream) {
  if (stream.items.empty()) return false;
  FakeItem& item = stream.items.front();
  if (item.event != nullptr && item.event->passed < item.ticket) return false;
  if (item.ready && !item.ready()) return false;
  const Task task = std::move(item.run);
  stream.items.pop_front();
  openblas_set_num_threads(1);  // results depend on their number, which is the process's: loading a problem sets it
  if (task) task();
  return true;
}

// Until `done`; the streams go on as chance has it. Where nothing can but what another thread does, others get their
// turn.
void go_on(std::unique_lock<std::recursive_mutex>& lock, const std::function<bool()>& done, const char* waiting) {
  State& s = state();
  while (!done()) {
    bool ran = false, elsewhere = false;
    std::vector<CUstream_st*> order(s.streams.begin(), s.streams.end());
    for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[s.random.below(i)]);
    for (CUstream_st* one : order) {
      ran = step(*one) || ran;
      elsewhere = elsewhere || one->reserved || (!one->items.empty() && one->items.front().ready);
    }
    if (ran) continue;
    if (!elsewhere) return misused(std::string(waiting) + " waits for an event that nothing will reach");
    let_others(lock);
  }
}

// Until the stream is empty.
void drain(std::unique_lock<std::recursive_mutex>& lock, CUstream_st& stream) {
  go_on(
      lock, [&] { return stream.items.empty(); }, "a stream");
}

void submit(cudaStream_t stream, Task task) {
  if (stream->reserved) misused("work was put on a stream that NCCL is about to put a group on");
  if (stream->capturing != nullptr) {
    auto& nodes = stream->capturing->nodes;
    CUgraphNode_st node{std::move(task), {}, nodes.size(), 1};
    for (const cudaGraphNode_t earlier : stream->after) {
      node.after.push_back(earlier->index);
      node.depth = std::max(node.depth, earlier->depth + 1);
    }
    nodes.push_back(std::move(node));
    stream->after = {&nodes.back()};
    stream->edge_data.assign(1, {});
  } else {
    stream->items.push_back({std::move(task), nullptr, 0, {}});
  }
}

template <class T>
cudaError_t make(T** out) {
  *out = new T();
  ++state().counts.live;
  return cudaSuccess;
}
template <class T>
void release(T* object) {
  if (object == nullptr) return misused("a null handle was released");
  delete object;
  --state().counts.live;
}

// Column-major op(a).
CBLAS_TRANSPOSE transposed(cublasOperation_t op) { return op == CUBLAS_OP_N ? CblasNoTrans : CblasTrans; }

}  // namespace

namespace fake_cuda {

std::recursive_mutex& mutex() { return state().mutex; }
const Options& options() { return state().options; }
Counts& figures() { return state().counts; }
gamlp::Random& chance() { return state().random; }

void misused(const std::string& what) {
  if (state().counts.misuse.empty()) state().counts.misuse = what;
}

bool fails(const char* call) {
  State& s = state();
  ++s.counts.calls;
  for (CUstream_st* stream : s.streams) {
    for (std::uint64_t turns = s.random.below(3); turns > 0 && step(*stream); --turns) {
    }
  }
  if (s.counts.calls != s.options.fail_at) return false;
  s.counts.failed_call = call;
  return true;
}

void let_others(std::unique_lock<std::recursive_mutex>& lock) {
  lock.unlock();
  std::this_thread::sleep_for(std::chrono::microseconds(20));
  lock.lock();
}

#ifndef GAMLP_WITH_NCCL
void reset_nccl() {}
#endif

int current_device() { return t_device; }
int device_of(cudaStream_t stream) { return stream->device; }
void submit_when(cudaStream_t stream, std::function<bool()> ready) {
  stream->items.push_back({{}, nullptr, 0, std::move(ready)});
}
void reserve(cudaStream_t stream, bool reserved) { stream->reserved = reserved; }

void reset(const Options& options) {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  s.options = options;
  s.counts = {};
  s.random = gamlp::Random(options.seed);
  reset_nccl();
  simt::options().submit = [](void* stream, const char* kernel, std::function<void()> run) {
    const std::lock_guard inner(state().mutex);
    ++state().counts.launches;
    if (stream == nullptr) return misused(std::string("kernel ") + kernel + " on the default stream");
    submit(static_cast<cudaStream_t>(stream), std::move(run));
  };
}

Counts counts() {
  const std::lock_guard lock(state().mutex);
  return state().counts;
}

}  // namespace fake_cuda

#define FAKE(name)                      \
  std::unique_lock lock(state().mutex); \
  if (fails(name)) return cudaErrorUnknown;
#define FAKE_BLAS(name)                      \
  const std::lock_guard lock(state().mutex); \
  if (fails(name)) return CUBLAS_STATUS_INTERNAL_ERROR;
#define FAKE_SPARSE(name)                    \
  const std::lock_guard lock(state().mutex); \
  if (fails(name)) return CUSPARSE_STATUS_INTERNAL_ERROR;
#define FAKE_SOLVER(name)                    \
  const std::lock_guard lock(state().mutex); \
  if (fails(name)) return CUSOLVER_STATUS_INTERNAL_ERROR;

extern "C" {

// ---- devices -----------------------------------------------------------------------------------------
cudaError_t cudaGetDeviceCount(int* count) {
  FAKE("cudaGetDeviceCount")
  *count = state().options.devices;
  return *count > 0 ? cudaSuccess : cudaErrorNoDevice;
}
cudaError_t cudaSetDevice(int device) {
  FAKE("cudaSetDevice")
  t_device = device;
  return device < state().options.devices ? cudaSuccess : cudaErrorInvalidDevice;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int) {
  FAKE("cudaGetDeviceProperties")
  std::memset(properties, 0, sizeof *properties);
  std::strcpy(properties->name, "Fake GPU");
  return cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = 13000;
  return cudaSuccess;
}
cudaError_t cudaDriverGetVersion(int* version) {
  *version = 13000;
  return cudaSuccess;
}
const char* cudaGetErrorString(cudaError_t error) {
  return error == cudaErrorMemoryAllocation ? "out of memory" : "unknown error";
}
const char* cudaGetErrorName(cudaError_t error) {
  return error == cudaErrorMemoryAllocation ? "cudaErrorMemoryAllocation" : "cudaErrorUnknown";
}
cudaError_t cudaGetLastError() { return cudaSuccess; }
cudaError_t cudaDeviceGetStreamPriorityRange(int* least, int* greatest) {
  FAKE("cudaDeviceGetStreamPriorityRange")
  *least = 0, *greatest = -5;
  return cudaSuccess;
}

cudaError_t cudaDeviceCanAccessPeer(int* can, int, int) {
  FAKE("cudaDeviceCanAccessPeer")
  *can = 1;
  return cudaSuccess;
}
cudaError_t cudaDeviceEnablePeerAccess(int, unsigned) {
  FAKE("cudaDeviceEnablePeerAccess")
  return cudaErrorPeerAccessAlreadyEnabled;
}
cudaError_t cudaProfilerStart() {
  FAKE("cudaProfilerStart")
  ++state().counts.profiler_starts;
  return cudaSuccess;
}
cudaError_t cudaProfilerStop() {
  FAKE("cudaProfilerStop")
  ++state().counts.profiler_stops;
  return cudaSuccess;
}

// ---- memory ------------------------------------------------------------------------------------------
cudaError_t cudaMalloc(void** memory, size_t bytes) {
  FAKE("cudaMalloc")
  if (state().used + bytes > state().options.memory) return cudaErrorMemoryAllocation;
  // Large blocks are zero already, and setting them to zero at once costs nothing: touching 64 MB would take longer
  // than a whole run.
  const bool large = bytes > kLargeBlock;
  const std::size_t whole = (bytes + 4095) / 4096 * 4096;
  *memory = large ? mmap(nullptr, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
                  : std::aligned_alloc(256, (bytes + 255) / 256 * 256);
  if (!large) std::memset(*memory, 0xCD, bytes);
  state().device_memory[*memory] = {bytes, t_device};
  state().used += bytes;
  ++state().counts.live;
  return cudaSuccess;
}
cudaError_t cudaFree(void* memory) {
  std::unique_lock lock(state().mutex);
  if (memory == nullptr) return cudaSuccess;
  const auto found = state().device_memory.find(memory);
  if (found == state().device_memory.end()) {
    misused("cudaFree of what is not device memory");
    return cudaErrorInvalidValue;
  }
  const auto [bytes, device] = found->second;
  const int of = device;
  // As the real one does, which waits for its device.
  const auto idle = [&] {
    return std::all_of(state().streams.begin(), state().streams.end(),
                       [&](const CUstream_st* stream) { return stream->device != of || stream->items.empty(); });
  };
  go_on(lock, idle, "cudaFree");
  state().used -= bytes;
  state().device_memory.erase(found);
  state().cleared.erase(memory);
  --state().counts.live;
  bytes > kLargeBlock ? static_cast<void>(munmap(memory, (bytes + 4095) / 4096 * 4096)) : std::free(memory);
  return cudaSuccess;
}
cudaError_t cudaHostAlloc(void** memory, size_t bytes, unsigned) {
  FAKE("cudaHostAlloc")
  *memory = std::malloc(bytes);
  state().pinned_memory[*memory] = bytes;
  ++state().counts.live;
  return cudaSuccess;
}
cudaError_t cudaFreeHost(void* memory) {
  const std::lock_guard lock(state().mutex);
  if (state().pinned_memory.erase(memory) == 0) misused("cudaFreeHost of what is not pinned");
  --state().counts.live;
  std::free(memory);
  return cudaSuccess;
}
cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  FAKE("cudaMemGetInfo")
  *total = state().options.memory;
  *free = *total - state().used;
  return cudaSuccess;
}
cudaError_t cudaMemsetAsync(void* memory, int value, size_t bytes, cudaStream_t stream) {
  FAKE("cudaMemsetAsync")
  const auto whole = state().device_memory.find(memory);
  const bool fresh = value == 0 && bytes > kLargeBlock && whole != state().device_memory.end() &&
                     whole->second.bytes == bytes && state().cleared.insert(memory).second;
  submit(stream, [=] {
    if (!fresh) std::memset(memory, value, bytes);
  });
  return cudaSuccess;
}
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
  FAKE("cudaMemcpyAsync")
  const auto pinned = [](const void* memory) {
    for (const auto& [begin, size] : state().pinned_memory) {
      const auto* first = static_cast<const char*>(begin);
      if (memory >= first && memory < first + size) return true;
    }
    return false;
  };
  if (kind == cudaMemcpyHostToDevice && !pinned(from)) {  // read before the call returns
    std::vector<char> staged(static_cast<const char*>(from), static_cast<const char*>(from) + bytes);
    submit(stream, [to, staged] { std::memcpy(to, staged.data(), staged.size()); });
    return cudaSuccess;
  }
  submit(stream, [=] { std::memcpy(to, from, bytes); });
  if (kind == cudaMemcpyDeviceToHost && !pinned(to)) {
    if (stream->capturing != nullptr) misused("a copy to pageable memory in a graph");
    drain(lock, *stream);
  }
  return cudaSuccess;
}

// ---- streams and events ------------------------------------------------------------------------------
cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned, int) {
  FAKE("cudaStreamCreateWithPriority")
  make(stream);
  (*stream)->device = t_device;
  state().streams.insert(*stream);
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  std::unique_lock lock(state().mutex);
  drain(lock, *stream);
  state().streams.erase(stream);
  release(stream);
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  FAKE("cudaStreamSynchronize")
  if (stream->capturing != nullptr) {
    stream->spoilt = true;
    return cudaErrorStreamCaptureUnsupported;
  }
  drain(lock, *stream);
  return cudaSuccess;
}
cudaError_t cudaStreamQuery(cudaStream_t stream) {
  FAKE("cudaStreamQuery")
  return stream->items.empty() ? cudaSuccess : cudaErrorNotReady;
}
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  FAKE("cudaEventCreateWithFlags")
  return make(event);
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  const std::lock_guard lock(state().mutex);
  release(event);
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  FAKE("cudaEventRecord")
  if (stream->capturing != nullptr) misused("an event recorded while its stream is captured");
  const std::uint64_t ticket = ++event->state->recorded;
  submit(stream, [=, record = event->state] { record->passed = std::max(record->passed, ticket); });
  return cudaSuccess;
}
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  FAKE("cudaStreamWaitEvent")
  if (stream->capturing != nullptr) misused("an event waited for while its stream is captured");
  if (stream->reserved) misused("a stream waits that NCCL is about to put a group on");
  stream->items.push_back({{}, event->state, event->state->recorded, {}});
  return cudaSuccess;
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  FAKE("cudaEventSynchronize")
  const std::shared_ptr<FakeEvent> wanted = event->state;
  const std::uint64_t ticket = wanted->recorded;
  go_on(
      lock, [&] { return wanted->passed >= ticket; }, "the host");
  return cudaSuccess;
}
cudaError_t cudaEventQuery(cudaEvent_t event) {
  FAKE("cudaEventQuery")
  return event->state->passed < event->state->recorded ? cudaErrorNotReady : cudaSuccess;
}
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t end) {
  FAKE("cudaEventElapsedTime")
  for (const cudaEvent_t event : {start, end}) {
    const FakeEvent& e = *event->state;
    if (e.recorded == 0 || e.passed < e.recorded) misused("the time between events that have not passed");
  }
  *milliseconds = 1.0f;
  return cudaSuccess;
}

// ---- graphs ------------------------------------------------------------------------------------------
cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  FAKE("cudaStreamBeginCapture")
  cudaGraph_t graph = nullptr;
  make(&graph);
  stream->capturing = graph;
  stream->after.clear();
  stream->edge_data.clear();
  stream->spoilt = false;
  return cudaSuccess;
}
cudaError_t cudaStreamGetCaptureInfo(cudaStream_t stream, cudaStreamCaptureStatus* status, unsigned long long*,
                                     cudaGraph_t* graph, const cudaGraphNode_t** nodes, const cudaGraphEdgeData** edges,
                                     size_t* count) {
  FAKE("cudaStreamGetCaptureInfo")
  *status = stream->spoilt ? cudaStreamCaptureStatusInvalidated : cudaStreamCaptureStatusActive;
  if (graph != nullptr) *graph = static_cast<cudaGraph_t>(stream->capturing);
  *nodes = stream->after.data();
  *edges = stream->edge_data.data();
  *count = stream->after.size();
  return cudaSuccess;
}
cudaError_t cudaGraphAddEmptyNode(cudaGraphNode_t* node, cudaGraph_t graph, const cudaGraphNode_t*, size_t count) {
  FAKE("cudaGraphAddEmptyNode")
  if (count != 0) misused("another use of an empty node");
  graph->nodes.push_back({[] {}, {}, graph->nodes.size(), 1});
  *node = &graph->nodes.back();
  return cudaSuccess;
}
cudaError_t cudaStreamUpdateCaptureDependencies(cudaStream_t stream, cudaGraphNode_t* nodes, const cudaGraphEdgeData*,
                                                size_t count, unsigned flags) {
  FAKE("cudaStreamUpdateCaptureDependencies")
  if (flags != cudaStreamSetCaptureDependencies || stream->capturing == nullptr || count == 0) {
    misused("another use of dependencies");
  }
  stream->after.assign(nodes, nodes + count);
  stream->edge_data.assign(count, {});
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  const std::lock_guard lock(state().mutex);
  const bool failed = fails("cudaStreamEndCapture");
  *graph = static_cast<cudaGraph_t>(stream->capturing);
  stream->capturing = nullptr;
  if (!failed && !stream->spoilt) {
    ++state().counts.captures;
    return cudaSuccess;
  }
  release(*graph);
  *graph = nullptr;
  return cudaErrorStreamCaptureInvalidated;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* exec, cudaGraph_t graph, unsigned long long) {
  FAKE("cudaGraphInstantiate")
  make(exec);
  (*exec)->nodes = graph->nodes;
  std::int64_t depth = 0;
  for (const CUgraphNode_st& node : graph->nodes) depth = std::max(depth, static_cast<std::int64_t>(node.depth));
  const auto nodes = static_cast<std::int64_t>(graph->nodes.size());
  fake_cuda::Counts& counts = state().counts;
  if (nodes >= counts.graph_nodes) counts.graph_nodes = nodes, counts.graph_depth = depth;
  return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream) {
  FAKE("cudaGraphLaunch")
  ++state().counts.graph_launches;
  // Its nodes in some order that the edges allow.
  const auto& nodes = exec->nodes;
  std::vector<std::size_t> ready, missing(nodes.size());
  std::vector<std::vector<std::size_t>> next(nodes.size());
  for (const CUgraphNode_st& node : nodes) {
    for (const std::size_t i : node.after) next[i].push_back(node.index);
    missing[node.index] = node.after.size();
    if (node.after.empty()) ready.push_back(node.index);
  }
  while (!ready.empty()) {
    std::swap(ready[state().random.below(ready.size())], ready.back());
    const std::size_t i = ready.back();
    ready.pop_back();
    submit(stream, nodes[i].task);
    for (const std::size_t k : next[i]) {
      if (--missing[k] == 0) ready.push_back(k);
    }
  }
  return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  const std::lock_guard lock(state().mutex);
  release(graph);
  return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) {
  const std::lock_guard lock(state().mutex);
  release(exec);
  return cudaSuccess;
}

// ---- cuBLAS ------------------------------------------------------------------------------------------
cublasStatus_t cublasCreate_v2(cublasHandle_t* handle) {
  FAKE_BLAS("cublasCreate")
  make(handle);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasDestroy_v2(cublasHandle_t handle) {
  const std::lock_guard lock(state().mutex);
  release(handle);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasSetStream_v2(cublasHandle_t handle, cudaStream_t stream) {
  FAKE_BLAS("cublasSetStream")
  handle->stream = stream;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasSetWorkspace_v2(cublasHandle_t, void*, size_t) {
  FAKE_BLAS("cublasSetWorkspace")
  return CUBLAS_STATUS_SUCCESS;
}
const char* cublasGetStatusString(cublasStatus_t) { return "the library failed"; }
cublasStatus_t cublasSsyrk_v2(cublasHandle_t handle, cublasFillMode_t fill, cublasOperation_t op, int n, int k,
                              const float* alpha, const float* a, int lda, const float* beta, float* c, int ldc) {
  FAKE_BLAS("cublasSsyrk")
  const float alpha_value = *alpha, beta_value = *beta;
  submit(handle->stream, [=] {
    cblas_ssyrk(CblasColMajor, fill == CUBLAS_FILL_MODE_UPPER ? CblasUpper : CblasLower, transposed(op), n, k,
                alpha_value, a, lda, beta_value, c, ldc);
  });
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasStrsm_v2(cublasHandle_t handle, cublasSideMode_t side, cublasFillMode_t fill, cublasOperation_t op,
                              cublasDiagType_t, int m, int n, const float* alpha, const float* a, int lda, float* b,
                              int ldb) {
  FAKE_BLAS("cublasStrsm")
  const float alpha_value = *alpha;
  submit(handle->stream, [=] {
    cblas_strsm(CblasColMajor, side == CUBLAS_SIDE_RIGHT ? CblasRight : CblasLeft,
                fill == CUBLAS_FILL_MODE_UPPER ? CblasUpper : CblasLower, transposed(op), CblasNonUnit, m, n,
                alpha_value, a, lda, b, ldb);
  });
  return CUBLAS_STATUS_SUCCESS;
}

// ---- cuBLASLt: descriptors are opaque words, of which these are used ------------------------------------
cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) {
  FAKE_BLAS("cublasLtCreate")
  make(handle);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle) {
  const std::lock_guard lock(state().mutex);
  release(handle);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t* descriptor, cublasComputeType_t, cudaDataType_t) {
  FAKE_BLAS("cublasLtMatmulDescCreate")
  make(descriptor);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t descriptor) {
  const std::lock_guard lock(state().mutex);
  release(descriptor);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t descriptor, cublasLtMatmulDescAttributes_t which,
                                              const void* value, size_t) {
  FAKE_BLAS("cublasLtMatmulDescSetAttribute")
  const auto op = *static_cast<const cublasOperation_t*>(value);
  if (which == CUBLASLT_MATMUL_DESC_TRANSA) descriptor->data[0] = op;
  if (which == CUBLASLT_MATMUL_DESC_TRANSB) descriptor->data[1] = op;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t* layout, cudaDataType type, uint64_t rows,
                                          uint64_t cols, int64_t ld) {
  FAKE_BLAS("cublasLtMatrixLayoutCreate")
  if (type != CUDA_R_32F || ld < static_cast<int64_t>(rows)) misused("a matrix layout that cannot be");
  make(layout);
  (*layout)->data[0] = rows, (*layout)->data[1] = cols, (*layout)->data[2] = static_cast<uint64_t>(ld);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout) {
  const std::lock_guard lock(state().mutex);
  release(layout);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t* preference) {
  FAKE_BLAS("cublasLtMatmulPreferenceCreate")
  make(preference);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference) {
  const std::lock_guard lock(state().mutex);
  release(preference);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t, cublasLtMatmulPreferenceAttributes_t,
                                                    const void*, size_t) {
  FAKE_BLAS("cublasLtMatmulPreferenceSetAttribute")
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t, cublasLtMatmulDesc_t, cublasLtMatrixLayout_t,
                                              cublasLtMatrixLayout_t, cublasLtMatrixLayout_t, cublasLtMatrixLayout_t,
                                              cublasLtMatmulPreference_t, int, cublasLtMatmulHeuristicResult_t* results,
                                              int* count) {
  FAKE_BLAS("cublasLtMatmulAlgoGetHeuristic")
  std::memset(results, 0, sizeof *results);
  *count = 1;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmul(cublasLtHandle_t, cublasLtMatmulDesc_t product, const void* alpha, const void* a,
                              cublasLtMatrixLayout_t a_layout, const void* b, cublasLtMatrixLayout_t b_layout,
                              const void* beta, const void* c, cublasLtMatrixLayout_t, void* d,
                              cublasLtMatrixLayout_t d_layout, const cublasLtMatmulAlgo_t*, void*, size_t,
                              cudaStream_t stream) {
  FAKE_BLAS("cublasLtMatmul")
  const auto ta = static_cast<cublasOperation_t>(product->data[0]),
             tb = static_cast<cublasOperation_t>(product->data[1]);
  const float alpha_value = *static_cast<const float*>(alpha), beta_value = *static_cast<const float*>(beta);
  const int m = static_cast<int>(d_layout->data[0]), n = static_cast<int>(d_layout->data[1]);
  const int k = static_cast<int>(a_layout->data[ta == CUBLAS_OP_N ? 1 : 0]);
  const int b_k = static_cast<int>(b_layout->data[tb == CUBLAS_OP_N ? 0 : 1]);
  const int a_m = static_cast<int>(a_layout->data[ta == CUBLAS_OP_N ? 0 : 1]);
  if (b_k != k || a_m != m || c != d) misused("a product whose shapes do not agree");
  const int lda = static_cast<int>(a_layout->data[2]), ldb = static_cast<int>(b_layout->data[2]),
            ldd = static_cast<int>(d_layout->data[2]);
  submit(stream, [=] {
    cblas_sgemm(CblasColMajor, transposed(ta), transposed(tb), m, n, k, alpha_value, static_cast<const float*>(a), lda,
                static_cast<const float*>(b), ldb, beta_value, static_cast<float*>(d), ldd);
  });
  return CUBLAS_STATUS_SUCCESS;
}

// ---- cuSOLVER ----------------------------------------------------------------------------------------
cusolverStatus_t cusolverDnCreate(cusolverDnHandle_t* handle) {
  FAKE_SOLVER("cusolverDnCreate")
  make(handle);
  return CUSOLVER_STATUS_SUCCESS;
}
cusolverStatus_t cusolverDnDestroy(cusolverDnHandle_t handle) {
  const std::lock_guard lock(state().mutex);
  release(handle);
  return CUSOLVER_STATUS_SUCCESS;
}
cusolverStatus_t cusolverDnSetStream(cusolverDnHandle_t handle, cudaStream_t stream) {
  FAKE_SOLVER("cusolverDnSetStream")
  handle->stream = stream;
  return CUSOLVER_STATUS_SUCCESS;
}
cusolverStatus_t cusolverDnSpotrf_bufferSize(cusolverDnHandle_t, cublasFillMode_t, int n, float*, int, int* count) {
  FAKE_SOLVER("cusolverDnSpotrf_bufferSize")
  *count = n;
  return CUSOLVER_STATUS_SUCCESS;
}
cusolverStatus_t cusolverDnSpotrf(cusolverDnHandle_t handle, cublasFillMode_t, int n, float* a, int lda, float*, int,
                                  int* info) {
  FAKE_SOLVER("cusolverDnSpotrf")
  if (handle->stream->capturing != nullptr && state().options.refuse_capture) {
    handle->stream->spoilt = true;
    return CUSOLVER_STATUS_INTERNAL_ERROR;
  }
  submit(handle->stream, [=] { *info = LAPACKE_spotrf_work(LAPACK_COL_MAJOR, 'U', n, a, lda); });
  return CUSOLVER_STATUS_SUCCESS;
}
cusolverStatus_t cusolverDnSpotri_bufferSize(cusolverDnHandle_t, cublasFillMode_t, int n, float*, int, int* count) {
  FAKE_SOLVER("cusolverDnSpotri_bufferSize")
  *count = n;
  return CUSOLVER_STATUS_SUCCESS;
}
cusolverStatus_t cusolverDnSpotri(cusolverDnHandle_t handle, cublasFillMode_t, int n, float* a, int lda, float*, int,
                                  int* info) {
  FAKE_SOLVER("cusolverDnSpotri")
  submit(handle->stream, [=] { *info = LAPACKE_spotri_work(LAPACK_COL_MAJOR, 'U', n, a, lda); });
  return CUSOLVER_STATUS_SUCCESS;
}
cusolverStatus_t cusolverDnSpotrs(cusolverDnHandle_t handle, cublasFillMode_t, int n, int count, const float* a,
                                  int lda, float* b, int ldb, int* info) {
  FAKE_SOLVER("cusolverDnSpotrs")
  submit(handle->stream, [=] { *info = LAPACKE_spotrs_work(LAPACK_COL_MAJOR, 'U', n, count, a, lda, b, ldb); });
  return CUSOLVER_STATUS_SUCCESS;
}

// ---- cuSPARSE ----------------------------------------------------------------------------------------
const char* cusparseGetErrorString(cusparseStatus_t) { return "the library failed"; }
cusparseStatus_t cusparseCreate(cusparseHandle_t* handle) {
  FAKE_SPARSE("cusparseCreate")
  make(handle);
  return CUSPARSE_STATUS_SUCCESS;
}
cusparseStatus_t cusparseDestroy(cusparseHandle_t handle) {
  const std::lock_guard lock(state().mutex);
  release(handle);
  return CUSPARSE_STATUS_SUCCESS;
}
cusparseStatus_t cusparseSetStream(cusparseHandle_t handle, cudaStream_t stream) {
  FAKE_SPARSE("cusparseSetStream")
  handle->stream = stream;
  return CUSPARSE_STATUS_SUCCESS;
}
cusparseStatus_t cusparseCreateConstCsr(cusparseConstSpMatDescr_t* matrix, int64_t rows, int64_t cols, int64_t entries,
                                        const void* offsets, const void* columns, const void* values,
                                        cusparseIndexType_t offset_type, cusparseIndexType_t column_type,
                                        cusparseIndexBase_t base, cudaDataType type) {
  FAKE_SPARSE("cusparseCreateConstCsr")
  if (offset_type != CUSPARSE_INDEX_32I || column_type != CUSPARSE_INDEX_32I || base != CUSPARSE_INDEX_BASE_ZERO ||
      type != CUDA_R_32F) {
    misused("a sparse matrix of other types");
  }
  cusparseSpMatDescr* made = nullptr;
  make(&made);
  *made = {rows,
           cols,
           entries,
           static_cast<const std::int32_t*>(offsets),
           static_cast<const std::int32_t*>(columns),
           static_cast<const float*>(values)};
  *matrix = made;
  return CUSPARSE_STATUS_SUCCESS;
}
cusparseStatus_t cusparseDestroySpMat(cusparseConstSpMatDescr_t matrix) {
  const std::lock_guard lock(state().mutex);
  release(matrix);
  return CUSPARSE_STATUS_SUCCESS;
}
cusparseStatus_t cusparseCreateDnMat(cusparseDnMatDescr_t* matrix, int64_t rows, int64_t cols, int64_t ld, void* values,
                                     cudaDataType type, cusparseOrder_t order) {
  FAKE_SPARSE("cusparseCreateDnMat")
  if (type != CUDA_R_32F || order != CUSPARSE_ORDER_ROW || ld < cols) misused("a dense matrix that cannot be");
  make(matrix);
  **matrix = {rows, cols, ld, static_cast<float*>(values)};
  return CUSPARSE_STATUS_SUCCESS;
}
cusparseStatus_t cusparseDestroyDnMat(cusparseConstDnMatDescr_t matrix) {
  const std::lock_guard lock(state().mutex);
  release(matrix);
  return CUSPARSE_STATUS_SUCCESS;
}
cusparseStatus_t cusparseSpMM_bufferSize(cusparseHandle_t, cusparseOperation_t, cusparseOperation_t, const void*,
                                         cusparseConstSpMatDescr_t a, cusparseConstDnMatDescr_t, const void*,
                                         cusparseDnMatDescr_t, cudaDataType, cusparseSpMMAlg_t, size_t* bytes) {
  FAKE_SPARSE("cusparseSpMM_bufferSize")
  *bytes = static_cast<std::size_t>(a->rows) + 16;
  return CUSPARSE_STATUS_SUCCESS;
}
cusparseStatus_t cusparseSpMM(cusparseHandle_t handle, cusparseOperation_t, cusparseOperation_t, const void*,
                              cusparseConstSpMatDescr_t a, cusparseConstDnMatDescr_t b, const void*,
                              cusparseDnMatDescr_t c, cudaDataType, cusparseSpMMAlg_t algorithm, void* workspace) {
  FAKE_SPARSE("cusparseSpMM")
  if (a->rows != c->rows || a->cols != b->rows || b->cols != c->cols) misused("SpMM of shapes that do not agree");
  if (algorithm != CUSPARSE_SPMM_CSR_ALG3) misused("SpMM by an algorithm that is not deterministic");
  submit(handle->stream, [matrix = *a, from = *b, to = *c, workspace] {
    std::memset(workspace, 0xAB, static_cast<std::size_t>(matrix.rows) + 16);
    if (matrix.offsets[matrix.rows] != matrix.entries) misused("a sparse matrix without its last offset");
    for (std::int64_t i = 0; i < matrix.rows; ++i) {
      float* out = to.values + i * to.ld;
      std::fill_n(out, to.cols, 0.0f);
      for (std::int64_t e = matrix.offsets[i + 1] - 1; e >= matrix.offsets[i]; --e) {  // not in the CPU's order
        const float* row = from.values + matrix.columns[e] * from.ld;
        for (std::int64_t j = 0; j < to.cols; ++j) out[j] += matrix.values[e] * row[j];
      }
    }
  });
  return CUSPARSE_STATUS_SUCCESS;
}

}  // extern "C"
