#include "cuda/device/op_replay.hpp"

#include <algorithm>
#include <array>
#include <mutex>

#include "cuda/device/op_order.hpp"
#include "host/core/error.hpp"

namespace gamlp::cuda {
namespace {

constexpr std::size_t kMostBranched = 2048;  // ops: their order takes time that grows with the square

// A kernel's first launch loads it, which may wait for the whole device and so break a capture of another thread there.
// Held while something is captured, and while an op runs for the first time. One per device: a device that waits must
// not keep others from enqueuing what it waits for.
std::mutex& loading(int device) {
  static std::array<std::mutex, 64> mutexes;
  return mutexes[static_cast<std::size_t>(device) % mutexes.size()];
}

std::size_t hash_of(const std::vector<Op>& ops) {
  std::uint64_t hash = 0xCBF29CE484222325ull;
  const auto add = [&](std::uint64_t x) { hash = (hash ^ x) * 0x100000001B3ull; };
  for (const Op& op : ops) {
    add(op.index());
    std::visit(
        [&](const auto& o) {
          o.views([&](const char*, const auto& view) { add(reinterpret_cast<std::uintptr_t>(view.data)); });
        },
        op.variant());
  }
  return static_cast<std::size_t>(hash);
}

}  // namespace

void OpReplay::run_all(const std::vector<Op>& ops) const {
  for (const Op& op : ops) run_(op, queue_);
}

void OpReplay::run_eagerly(const std::vector<Op>& ops) {
  const auto met = [&](const Op& op) { return met_.test(op.index()); };
  if (std::all_of(ops.begin(), ops.end(), met)) return run_all(ops);
  const std::lock_guard lock(loading(device_));
  run_all(ops);
  for (const Op& op : ops) met_.set(op.index());
}

void OpReplay::enqueue(const std::vector<Op>& ops) {
  if (ops.size() < kShortest) return run_eagerly(ops);
  const std::size_t hash = hash_of(ops);
  const auto found =
      std::find_if(known_.begin(), known_.end(), [&](const Known& k) { return k.hash == hash && k.ops == ops; });
  if (found == known_.end()) {
    run_eagerly(ops);
    ++counts_.eager;
    known_.push_front({hash, ops, {}, 0});
    if (known_.size() > kKept) {
      if (known_.back().graph)
        check(cudaStreamSynchronize(queue_.stream), "cudaStreamSynchronize");  // it may still run
      known_.pop_back();
    }
    return;
  }
  known_.splice(known_.begin(), known_, found);
  Known& known = known_.front();
  if (!known.graph && known.refusals < kMostRefusals) {
    const bool branched = kCanBranch && known.ops.size() <= kMostBranched && all_small(known.ops);
    if (!(branched && capture(known, true)) && !capture(known, false)) {
      ++known.refusals;
      ++counts_.refused;
    }
  }
  if (!known.graph) {
    run_eagerly(ops);
    ++counts_.eager;
    return;
  }
  check(cudaGraphLaunch(known.graph.get(), queue_.stream), "cudaGraphLaunch");
  ++counts_.replayed;
}

#if CUDART_VERSION >= 13000
namespace {

// What comes last of an op in the graph that is being captured.
struct GraphEnd {
  std::vector<cudaGraphNode_t> nodes;
  std::vector<cudaGraphEdgeData> edges;

  void add(const GraphEnd& other) {
    for (std::size_t i = 0; i < other.nodes.size(); ++i) {
      if (std::find(nodes.begin(), nodes.end(), other.nodes[i]) != nodes.end()) continue;
      nodes.push_back(other.nodes[i]);
      edges.push_back(other.edges[i]);
    }
  }
};

// Also the graph itself, where that is asked for.
GraphEnd captured_end(cudaStream_t stream, cudaGraph_t* graph = nullptr) {
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  const cudaGraphNode_t* nodes = nullptr;
  const cudaGraphEdgeData* edges = nullptr;
  std::size_t count = 0;
  check(cudaStreamGetCaptureInfo(stream, &status, nullptr, graph, &nodes, &edges, &count), "cudaStreamGetCaptureInfo");
  if (status != cudaStreamCaptureStatusActive) throw DeviceError("CUDA: a capture has failed");
  GraphEnd end;
  end.nodes.assign(nodes, nodes + count);
  end.edges.resize(count);
  if (edges != nullptr) end.edges.assign(edges, edges + count);
  return end;
}

// A node without work, for what comes after no other: an empty set of dependencies is not documented to be one.
GraphEnd root_of(cudaStream_t stream) {
  cudaGraph_t graph = nullptr;
  captured_end(stream, &graph);
  GraphEnd root;
  root.nodes.resize(1);
  root.edges.resize(1);
  check(cudaGraphAddEmptyNode(root.nodes.data(), graph, nullptr, 0), "cudaGraphAddEmptyNode");
  return root;
}

// What is captured next comes after `end`, and after nothing else.
void continue_from(cudaStream_t stream, GraphEnd& end) {
  check(cudaStreamUpdateCaptureDependencies(stream, end.nodes.data(), end.edges.data(), end.nodes.size(),
                                            cudaStreamSetCaptureDependencies),
        "cudaStreamUpdateCaptureDependencies");
}

}  // namespace

void OpReplay::run_branched(const std::vector<Op>& ops) const {
  const std::vector<OpPlace> places = order_of(ops, kBranches);
  const GraphEnd root = root_of(queue_.stream);
  std::vector<GraphEnd> ends;
  for (std::size_t i = 0; i < ops.size(); ++i) {
    GraphEnd from;
    for (const std::size_t earlier : places[i].after) from.add(ends[earlier]);
    if (from.nodes.empty()) from = root;
    continue_from(queue_.stream, from);
    run_(ops[i], queue_.branch(places[i].branch));
    ends.push_back(captured_end(queue_.stream));
  }
}
#else
void OpReplay::run_branched(const std::vector<Op>& ops) const { run_all(ops); }
#endif

// False when something in the list does not let itself be captured; nothing has then been enqueued.
bool OpReplay::capture(Known& known, bool branched) {
  const std::lock_guard lock(loading(device_));
  check(cudaStreamBeginCapture(queue_.stream, cudaStreamCaptureModeThreadLocal), "cudaStreamBeginCapture");
  cudaGraph_t raw = nullptr;
  bool good = true;
  try {
    branched ? run_branched(known.ops) : run_all(known.ops);
  } catch (const DeviceError&) {
    good = false;
  } catch (...) {
    cudaStreamEndCapture(queue_.stream, &raw);
    GraphHandle dropped(raw);
    throw;
  }
  good = cudaStreamEndCapture(queue_.stream, &raw) == cudaSuccess && good;
  const GraphHandle graph(raw);
  cudaGraphExec_t exec = nullptr;
  if (good && graph) good = cudaGraphInstantiate(&exec, graph.get(), 0) == cudaSuccess;
  if (!good || exec == nullptr) {
    cudaGetLastError();  // it is told by running the ops themselves, if it is one of theirs
    return false;
  }
  known.graph = GraphExecHandle(exec);
  ++counts_.captured;
  if (branched) ++counts_.branched;
  return true;
}

}  // namespace gamlp::cuda
