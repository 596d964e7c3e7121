#include "cuda/device/op_replay.hpp"

#include <algorithm>

#include "host/core/error.hpp"

namespace gamlp::cuda {
namespace {

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
  for (const Op& op : ops) run_(op);
}

void OpReplay::enqueue(const std::vector<Op>& ops) {
  if (ops.size() < kShortest) return run_all(ops);
  const std::size_t hash = hash_of(ops);
  const auto found =
      std::find_if(known_.begin(), known_.end(), [&](const Known& k) { return k.hash == hash && k.ops == ops; });
  if (found == known_.end()) {
    run_all(ops);
    ++counts_.eager;
    known_.push_front({hash, ops, {}, false});
    if (known_.size() > kKept) {
      if (known_.back().graph) check(cudaStreamSynchronize(stream_), "cudaStreamSynchronize");  // it may still run
      known_.pop_back();
    }
    return;
  }
  known_.splice(known_.begin(), known_, found);
  Known& known = known_.front();
  if (!known.graph && !known.refused && !capture(known)) {
    known.refused = true;
    ++counts_.refused;
  }
  if (!known.graph) {
    run_all(ops);
    ++counts_.eager;
    return;
  }
  check(cudaGraphLaunch(known.graph.get(), stream_), "cudaGraphLaunch");
  ++counts_.replayed;
}

// False when something in the list does not let itself be captured; nothing has then been enqueued.
bool OpReplay::capture(Known& known) {
  check(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal), "cudaStreamBeginCapture");
  cudaGraph_t raw = nullptr;
  bool good = true;
  try {
    run_all(known.ops);
  } catch (const DeviceError&) {
    good = false;
  } catch (...) {
    cudaStreamEndCapture(stream_, &raw);
    GraphHandle dropped(raw);
    throw;
  }
  good = cudaStreamEndCapture(stream_, &raw) == cudaSuccess && good;
  const GraphHandle graph(raw);
  cudaGraphExec_t exec = nullptr;
  if (good && graph) good = cudaGraphInstantiate(&exec, graph.get(), 0) == cudaSuccess;
  if (!good || exec == nullptr) {
    cudaGetLastError();  // it is told by running the ops themselves, if it is one of theirs
    return false;
  }
  known.graph = GraphExecHandle(exec);
  ++counts_.captured;
  return true;
}

}  // namespace gamlp::cuda
