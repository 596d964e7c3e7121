// Augments a graph on a GPU. It computes the X of host/graph/augment.hpp by cuSPARSE products, a block of feature
// columns at a time.
//
// Device memory holds two float buffers of N rows × the block's columns, one of the wanted rows, and the operator.
// Blocks have kBlockColumns columns where memory allows, so that runs are repeated bit by bit on any such GPU. An
// operator that has no room beside blocks of kMinColumns columns is streamed from host memory in slabs of rows, for
// every hop of every block. The library's deterministic algorithm makes the sums. They have the same bits on every run
// on the same kind of GPU with the same width of blocks. From the CPU's they differ by rounding.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "host/core/matrix.hpp"
#include "host/graph/augment.hpp"
#include "host/graph/csr.hpp"
#include "host/graph/node_features.hpp"

namespace gamlp::cuda {

inline constexpr std::int64_t kBlockColumns = AugmentOptions{}.column_block;
inline constexpr std::int64_t kMinColumns = 16;

// How the augmentation uses the device memory.
struct AugmentPlan {
  std::int64_t columns = 0;       // of a block, a multiple of 4
  std::int64_t slab_entries = 0;  // of the operator that are on the device at a time
  bool resident = true;           // the whole operator is on the device
};
// Plans for `bytes` of device memory. Where they are too few, it throws a DeviceError that says how much the smallest
// blocks need.
AugmentPlan plan_augment(std::int64_t nodes, std::int64_t features, std::int64_t wanted, std::int64_t entries,
                         std::int64_t longest_row, std::size_t bytes);

// Returns the rows `nodes` of X, wanted × hops · features. `note` receives what is unusual (streaming), or stays empty.
// `bytes` is the device memory to plan with. 0: nine tenths of what is free.
Matrix augment(int device, const Csr& propagation, const NodeFeatures& node_features,
               std::span<const std::int32_t> nodes, std::int64_t hops, std::string& note, std::size_t bytes = 0);

}  // namespace gamlp::cuda
