#include "cuda/graph/augment.hpp"

#include <algorithm>
#include <cstring>
#include <cusparse.h>
#include <vector>

#include "cuda/core/handles.hpp"
#include "cuda/device/cuda_device.hpp"
#include "cuda/kernels/gather_rows.hpp"
#include "host/core/error.hpp"

namespace gamlp::cuda {
namespace {

using ::gamlp::cuda::check;
void check(cusparseStatus_t status, const char* call) {
  if (status == CUSPARSE_STATUS_SUCCESS) return;
  throw DeviceError(std::string("cuSPARSE: ") + call + " failed: " + cusparseGetErrorString(status));
}

using SparseHandle = Handle<cusparseHandle_t, cusparseDestroy>;
using SparseMatrix = Handle<cusparseConstSpMatDescr_t, cusparseDestroySpMat>;
using DenseMatrix = Handle<cusparseDnMatDescr_t, cusparseDestroyDnMat>;

// Documented to give the same bits on every run.
constexpr cusparseSpMMAlg_t kAlgorithm = CUSPARSE_SPMM_CSR_ALG3;
constexpr std::size_t kPinnedBytes = std::size_t{16} << 20;
constexpr std::int64_t kMostEntries = std::int64_t{1} << 30;  // of a slab: its offsets are 32 bits wide
constexpr std::int64_t kMostValues = 0x7fffffff;              // of a block, which the library may index with 32 bits
constexpr double kUsable = 0.9;  // of the free memory; the library's workspace is in the rest
constexpr std::int64_t kEntryBytes = sizeof(std::int32_t) + sizeof(float);

std::size_t dense_bytes(std::int64_t nodes, std::int64_t wanted, std::int64_t columns) {
  return static_cast<std::size_t>((2 * nodes + wanted) * columns) * sizeof(float);
}
std::size_t index_bytes(std::int64_t nodes, std::int64_t wanted) {
  return static_cast<std::size_t>(2 * nodes + 1 + wanted) * sizeof(std::int32_t);  // one offset more per slab
}

// Rows [first, last) of the operator.
struct Slab {
  std::int64_t first, last, entries;
  std::int64_t offsets() const { return last - first + 1; }
};

// Places on the device begin at multiples of 16 bytes, as the library's widest loads want.
std::int64_t padded(std::int64_t items) { return (items + 3) / 4 * 4; }

std::vector<Slab> slabs_of(const Csr& matrix, std::int64_t most_entries) {
  std::vector<Slab> slabs;
  for (std::int64_t row = 0; row < matrix.rows;) {
    Slab slab{row, row, 0};
    const std::int64_t begin = matrix.indptr[static_cast<std::size_t>(row)];
    while (slab.last < matrix.rows && matrix.indptr[static_cast<std::size_t>(slab.last) + 1] - begin <= most_entries) {
      ++slab.last;
    }
    expects(slab.last > slab.first, "a slab has room for the longest row");
    slab.entries = matrix.indptr[static_cast<std::size_t>(slab.last)] - begin;
    slabs.push_back(slab);
    row = slab.last;
  }
  return slabs;
}

class Augmenter {
 public:
  Augmenter(int ordinal, const Csr& propagation, const NodeFeatures& node_features, std::span<const std::int32_t> nodes,
            std::int64_t hops, const AugmentPlan& plan)
      : propagation_(propagation),
        node_features_(node_features),
        nodes_(nodes),
        hops_(hops),
        plan_(plan),
        slabs_(slabs_of(propagation, plan.slab_entries)),
        device_(ordinal, {}) {
    use_device(ordinal);
    cudaStream_t stream = nullptr;
    check(cudaStreamCreateWithPriority(&stream, cudaStreamNonBlocking, 0), "cudaStreamCreateWithPriority");
    stream_ = StreamHandle(stream);
    cusparseHandle_t sparse = nullptr;
    check(cusparseCreate(&sparse), "cusparseCreate");
    sparse_ = SparseHandle(sparse);
    check(cusparseSetStream(sparse, stream), "cusparseSetStream");
    void* pinned = nullptr;
    check(cudaHostAlloc(&pinned, kPinnedBytes, cudaHostAllocDefault), "cudaHostAlloc");
    pinned_ = PinnedMemory(pinned);

    const auto floats = [&](std::int64_t count, const char* what) {
      return device_.allocate(static_cast<std::size_t>(count) * sizeof(float), what, MemoryKind::data);
    };
    for (Buffer& block : blocks_) block = floats(propagation.rows * plan.columns, "features of the augmentation");
    gathered_ = floats(wanted() * plan.columns, "augmented features");
    wanted_ = floats(wanted(), "nodes of the augmentation");
    upload(wanted_, nodes.data(), nodes.size());
    std::int64_t rows = 0, entries = 0;  // on the device at a time
    for (const Slab& slab : slabs_) {
      rows = plan.resident ? rows + padded(slab.offsets()) : std::max(rows, slab.offsets());
      entries = plan.resident ? entries + padded(slab.entries) : std::max(entries, slab.entries);
    }
    offsets_ = floats(rows, "rows of the graph");
    indices_ = floats(entries, "neighbours of the graph");
    values_ = floats(entries, "weights of the graph");
    if (plan.resident) {
      std::int64_t row = 0, entry = 0;
      for (const Slab& slab : slabs_) {
        matrices_.push_back(uploaded(slab, row, entry));
        row += padded(slab.offsets());
        entry += padded(slab.entries);
      }
    }
  }

  Matrix run() {
    const std::int64_t features = node_features_.features();
    Matrix result(wanted(), hops_ * features);
    for (std::int64_t first = 0; first < features; first += plan_.columns) {
      const std::int64_t columns = std::min(plan_.columns, features - first);
      load_block(first, columns, result);
      for (std::int64_t hop = 1; hop < hops_; ++hop) {
        propagate();
        gather_rows(stream_.get(), block(0), plan_.columns, wanted_.view<std::int32_t>(1, wanted()).data, wanted(),
                    gathered_.mat(wanted(), plan_.columns).data);
        download(result, hop * features + first, columns);
      }
    }
    return result;
  }

 private:
  std::int64_t wanted() const { return static_cast<std::int64_t>(nodes_.size()); }
  float* block(std::size_t i) const { return blocks_[i].mat(propagation_.rows, plan_.columns).data; }

  template <class T>
  void upload(const Buffer& to, const T* from, std::size_t count, std::int64_t at = 0) {
    if (count == 0) return;
    std::byte* const place = to.raw(to.bytes()).data + static_cast<std::size_t>(at) * sizeof(T);
    check(cudaMemcpyAsync(place, from, count * sizeof(T), cudaMemcpyHostToDevice, stream_.get()),
          "cudaMemcpyAsync to the device");
  }

  // A slab on the device, its offsets from place `row` on and its entries from place `entry` on.
  SparseMatrix uploaded(const Slab& slab, std::int64_t row, std::int64_t entry) {
    const std::int64_t rows = slab.last - slab.first;
    const std::int64_t begin = propagation_.indptr[static_cast<std::size_t>(slab.first)];
    check(cudaStreamSynchronize(stream_.get()), "cudaStreamSynchronize");  // the slab before has been read
    host_offsets_.clear();
    for (std::int64_t i = slab.first; i <= slab.last; ++i) {
      host_offsets_.push_back(static_cast<std::int32_t>(propagation_.indptr[static_cast<std::size_t>(i)] - begin));
    }
    upload(offsets_, host_offsets_.data(), host_offsets_.size(), row);
    upload(indices_, propagation_.indices.data() + begin, static_cast<std::size_t>(slab.entries), entry);
    upload(values_, propagation_.values.data() + begin, static_cast<std::size_t>(slab.entries), entry);
    cusparseConstSpMatDescr_t matrix = nullptr;
    const auto at = [](const Buffer& buffer, std::int64_t place) {
      return buffer.raw(buffer.bytes()).data + 4 * place;
    };
    check(cusparseCreateConstCsr(&matrix, rows, propagation_.cols, slab.entries, at(offsets_, row), at(indices_, entry),
                                 at(values_, entry), CUSPARSE_INDEX_32I, CUSPARSE_INDEX_32I, CUSPARSE_INDEX_BASE_ZERO,
                                 CUDA_R_32F),
          "cusparseCreateConstCsr");
    return SparseMatrix(matrix);
  }

  static DenseMatrix dense(float* values, std::int64_t rows, std::int64_t columns) {
    cusparseDnMatDescr_t matrix = nullptr;
    check(cusparseCreateDnMat(&matrix, rows, columns, columns, values, CUDA_R_32F, CUSPARSE_ORDER_ROW),
          "cusparseCreateDnMat");
    return DenseMatrix(matrix);
  }

  // Block 0 ← operator · block 0.
  void propagate() {
    const DenseMatrix from = dense(block(0), propagation_.rows, plan_.columns);
    for (std::size_t i = 0; i < slabs_.size(); ++i) {
      const Slab& slab = slabs_[i];
      SparseMatrix passing;
      if (!plan_.resident) passing = uploaded(slab, 0, 0);
      const SparseMatrix& matrix = plan_.resident ? matrices_[i] : passing;
      const DenseMatrix to = dense(block(1) + slab.first * plan_.columns, slab.last - slab.first, plan_.columns);
      multiply(matrix.get(), from.get(), to.get());
    }
    std::swap(blocks_[0], blocks_[1]);
  }

  void multiply(cusparseConstSpMatDescr_t a, cusparseDnMatDescr_t b, cusparseDnMatDescr_t c) {
    const float one = 1.0f, zero = 0.0f;
    constexpr cusparseOperation_t kAsIs = CUSPARSE_OPERATION_NON_TRANSPOSE;
    std::size_t bytes = 0;
    check(cusparseSpMM_bufferSize(sparse_.get(), kAsIs, kAsIs, &one, a, b, &zero, c, CUDA_R_32F, kAlgorithm, &bytes),
          "cusparseSpMM_bufferSize");
    if (bytes > workspace_.bytes()) {
      check(cudaStreamSynchronize(stream_.get()), "cudaStreamSynchronize");  // it may still be in use
      workspace_ = {};
      workspace_ = device_.allocate(bytes, "workspace of cuSPARSE", MemoryKind::workspace);
    }
    check(cusparseSpMM(sparse_.get(), kAsIs, kAsIs, &one, a, b, &zero, c, CUDA_R_32F, kAlgorithm,
                       workspace_.raw(workspace_.bytes()).data),
          "cusparseSpMM");
  }

  // Calls body(first row, rows) for as many rows of a block as pinned memory holds.
  template <class Body>
  void in_chunks(std::int64_t rows, Body body) const {
    const std::int64_t most = static_cast<std::int64_t>(kPinnedBytes / sizeof(float)) / plan_.columns;
    for (std::int64_t first = 0; first < rows; first += most) body(first, std::min(most, rows - first));
  }

  // Columns [first, first + columns) of the features into block 0, padded with zeros; those of the wanted nodes are
  // hop 0 of the result.
  void load_block(std::int64_t first, std::int64_t columns, Matrix& result) {
    auto* const staged = static_cast<float*>(pinned_.get());
    const bool sparse = node_features_.sparse_features;
    const auto row_into = [&](std::int64_t node, float* out) {
      if (!sparse) {
        std::memcpy(out, node_features_.features_dense.row(node) + first,
                    static_cast<std::size_t>(columns) * sizeof(float));
        return;
      }
      const Csr& csr = node_features_.features_sparse;
      const auto begin = csr.indices.begin() + csr.indptr[static_cast<std::size_t>(node)],
                 end = csr.indices.begin() + csr.indptr[static_cast<std::size_t>(node) + 1];
      for (auto it = std::lower_bound(begin, end, first); it != end && *it < first + columns; ++it) {
        out[*it - first] = csr.value(it - csr.indices.begin());
      }
    };
    if (hops_ > 1) {
      in_chunks(propagation_.rows, [&](std::int64_t row, std::int64_t rows) {
        check(cudaStreamSynchronize(stream_.get()), "cudaStreamSynchronize");  // the chunk before has been read
        std::fill_n(staged, rows * plan_.columns, 0.0f);
        for (std::int64_t i = 0; i < rows; ++i) row_into(row + i, staged + i * plan_.columns);
        check(cudaMemcpyAsync(block(0) + row * plan_.columns, staged,
                              static_cast<std::size_t>(rows * plan_.columns) * sizeof(float), cudaMemcpyHostToDevice,
                              stream_.get()),
              "cudaMemcpyAsync to the device");
      });
    }
    for (std::int64_t i = 0; i < wanted(); ++i) {
      row_into(nodes_[static_cast<std::size_t>(i)], result.row(i) + first);
    }
  }

  // The gathered rows into columns [at, at + columns) of the result.
  void download(Matrix& result, std::int64_t at, std::int64_t columns) {
    auto* const staged = static_cast<float*>(pinned_.get());
    in_chunks(wanted(), [&](std::int64_t row, std::int64_t rows) {
      check(cudaMemcpyAsync(staged, gathered_.mat(wanted(), plan_.columns).row(row),
                            static_cast<std::size_t>(rows * plan_.columns) * sizeof(float), cudaMemcpyDeviceToHost,
                            stream_.get()),
            "cudaMemcpyAsync to the host");
      check(cudaStreamSynchronize(stream_.get()), "cudaStreamSynchronize");
      for (std::int64_t i = 0; i < rows; ++i) {
        std::memcpy(result.row(row + i) + at, staged + i * plan_.columns,
                    static_cast<std::size_t>(columns) * sizeof(float));
      }
    });
  }

  const Csr& propagation_;
  const NodeFeatures& node_features_;
  std::span<const std::int32_t> nodes_;
  std::int64_t hops_;
  AugmentPlan plan_;
  std::vector<Slab> slabs_;
  CudaDevice device_;
  StreamHandle stream_;
  SparseHandle sparse_;
  PinnedMemory pinned_;
  std::vector<std::int32_t> host_offsets_;  // of the slab that was uploaded last
  Buffer blocks_[2], gathered_, wanted_, offsets_, indices_, values_, workspace_;
  std::vector<SparseMatrix> matrices_;  // resident: one per slab
};

}  // namespace

AugmentPlan plan_augment(std::int64_t nodes, std::int64_t features, std::int64_t wanted, std::int64_t entries,
                         std::int64_t longest_row, std::size_t bytes) {
  const std::int64_t indexed = std::max<std::int64_t>(kMostValues / std::max<std::int64_t>(nodes, 1) / 4 * 4, 4);
  const std::int64_t most = std::min({padded(features), indexed, kBlockColumns}), least = std::min(kMinColumns, most);
  const std::size_t indices = index_bytes(nodes, wanted), graph = static_cast<std::size_t>(entries * kEntryBytes);
  const auto columns_in = [&](std::size_t room) {
    const auto fit = static_cast<std::int64_t>(room / dense_bytes(nodes, wanted, 1)) / 4 * 4;
    return std::clamp(fit, std::int64_t{0}, most);
  };
  const std::size_t smallest = indices + dense_bytes(nodes, wanted, least);
  if (smallest + graph <= bytes) {
    return {columns_in(bytes - indices - graph), std::min(std::max(entries, std::int64_t{1}), kMostEntries), true};
  }
  const std::size_t row = static_cast<std::size_t>(longest_row * kEntryBytes);
  if (smallest + row > bytes) {
    throw DeviceError("augmentation: blocks of " + std::to_string(least) + " features of " + std::to_string(nodes) +
                      " nodes and a row of the graph need " + std::to_string(smallest + row) + " bytes, " +
                      std::to_string(bytes) + " can be used");
  }
  // Half of what is left for the graph, where that is enough for a row: a slab is used for a whole block.
  const std::size_t left = bytes - smallest, for_graph = std::max(row, left / 2);
  const auto slab = static_cast<std::int64_t>(for_graph) / kEntryBytes;
  return {columns_in(bytes - indices - for_graph), std::min(slab, kMostEntries), false};
}

Matrix augment(int device, const Csr& propagation, const NodeFeatures& node_features,
               std::span<const std::int32_t> nodes, std::int64_t hops, std::string& note, std::size_t bytes) {
  use_device(device);
  if (bytes == 0) {
    std::size_t free = 0, total = 0;
    check(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
    bytes = static_cast<std::size_t>(kUsable * static_cast<double>(free));
  }
  std::int64_t longest = 0;
  for (std::size_t i = 0; i + 1 < propagation.indptr.size(); ++i) {
    longest = std::max(longest, propagation.indptr[i + 1] - propagation.indptr[i]);
  }
  const AugmentPlan plan = plan_augment(propagation.rows, node_features.features(),
                                        static_cast<std::int64_t>(nodes.size()), propagation.entries(), longest, bytes);
  note.clear();
  if (!plan.resident) {
    note = "the graph does not fit cuda:" + std::to_string(device) + ": it is streamed from host memory, for " +
           std::to_string(plan.columns) + " features at a time";
  }
  return Augmenter(device, propagation, node_features, nodes, hops, plan).run();
}

}  // namespace gamlp::cuda
