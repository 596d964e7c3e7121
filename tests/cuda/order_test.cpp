// The order that a graph of small ops keeps, and that layers do run beside each other.
#include <algorithm>
#include <memory>

#include "cuda/core/queue.hpp"
#include "cuda/device/op_order.hpp"
#include "host/device/device.hpp"
#include "tests/support/catch.hpp"

namespace gamlp::test {
namespace {

using cuda::OpPlace;
using cuda::order_of;

// Five tensors of 8 values side by side.
struct Tensors {
  std::vector<float> memory = std::vector<float>(40);
  Mat operator[](int i) { return {memory.data() + 8 * i, 1, 8}; }
  Op copy(int from, int to) { return ops::Copy{as_bytes(ConstMat((*this)[from])), as_bytes((*this)[to])}; }
};

// Whether op i is over before op k starts.
bool ordered(const std::vector<OpPlace>& places, std::size_t i, std::size_t k) {
  if (i == k) return true;
  for (const std::size_t j : places[k].after) {
    if (ordered(places, i, j)) return true;
  }
  return false;
}

}  // namespace

TEST_CASE("ops that touch the same memory stay in order, and no others") {
  Tensors t;
  const auto of = [&](const Op& a, const Op& b) { return ordered(order_of({a, b}, 4), 0, 1); };
  CHECK(of(t.copy(0, 1), t.copy(1, 2)));        // read after write
  CHECK(of(t.copy(0, 1), t.copy(2, 0)));        // write after read
  CHECK(of(t.copy(0, 1), t.copy(2, 1)));        // write after write
  CHECK_FALSE(of(t.copy(0, 1), t.copy(0, 2)));  // two readers
  CHECK_FALSE(of(t.copy(0, 1), t.copy(2, 3)));
  const Mat across{t.memory.data() + 12, 1, 8};  // the end of 1 and the beginning of 2
  CHECK(of(t.copy(0, 1), ops::Zero{as_bytes(across)}));
  CHECK(of(t.copy(0, 2), ops::Zero{as_bytes(across)}));
  CHECK_FALSE(of(t.copy(0, 3), ops::Zero{as_bytes(across)}));
  CHECK_FALSE(of(t.copy(0, 1), ops::Zero{{}}));
}

TEST_CASE("edges that others imply are left out") {
  Tensors t;
  const auto places = order_of({t.copy(0, 1), t.copy(1, 2), ops::Dot{t[1], t[2], {}}, t.copy(0, 3)}, 4);
  CHECK(places[1].after == std::vector<std::size_t>{0});
  CHECK(places[2].after == std::vector<std::size_t>{1});
  CHECK(places[3].after.empty());
}

TEST_CASE("ops of a branch are in order, also when there are fewer branches than chains") {
  Tensors t;
  std::vector<Op> ops;
  for (int round = 0; round < 6; ++round) {
    for (int i = 0; i < 5; ++i) ops.push_back(ops::Zero{as_bytes(t[i])});
  }
  for (const unsigned branches : {1u, 2u, 5u, 16u}) {
    const auto places = order_of(ops, branches);
    std::size_t crossing = 0;
    for (std::size_t i = 0; i < ops.size(); ++i) {
      CHECK(places[i].branch < branches);
      for (std::size_t k = i + 1; k < ops.size(); ++k) {
        if (places[i].branch == places[k].branch) CHECK(ordered(places, i, k));
        crossing += !ordered(places, i, k);
      }
    }
    if (branches == 1) CHECK(crossing == 0);
    if (branches >= 5) CHECK(crossing == 5 * 4 / 2 * 6 * 6);  // five chains of six
  }
}

TEST_CASE("branches have shares of the scratch memory of their own") {
  std::vector<std::byte> scratch(cuda::Queue::scratch_bytes());
  cuda::Queue all;
  const auto library = std::make_unique_for_overwrite<std::byte[]>(cuda::kLibraryWorkspace);
  all.use_scratch(scratch.data(), library.get());
  const auto at = [&](const void* place) { return static_cast<const std::byte*>(place) - scratch.data(); };
  std::ptrdiff_t sums = 0, tickets = at(all.partials.arrived), info = at(all.info);
  CHECK(at(all.partials.sums) == sums);
  for (unsigned k = 0; k < cuda::kBranches; ++k) {
    const cuda::Queue share = all.branch(k);
    CHECK(at(share.partials.sums) == sums);
    CHECK(at(share.partials.arrived) == tickets);
    CHECK(at(share.info) == info);
    CHECK(share.workspace - all.workspace == static_cast<std::ptrdiff_t>(k * cuda::kBranchWorkspace));
    // What kernels use of them for tensors of kSmallTensor values in rows of kSmallColumns.
    sums += static_cast<std::ptrdiff_t>(sizeof(double)) *
            std::max<std::ptrdiff_t>(cuda::kMaxBlocks * cuda::kMaxSums, kSmallTensor / 16 + cuda::kSmallColumns);
    CHECK(sums <= (k + 1) * static_cast<std::ptrdiff_t>(cuda::Queue::sums_bytes() / cuda::kBranches));
    sums = (k + 1) * static_cast<std::ptrdiff_t>(cuda::Queue::sums_bytes() / cuda::kBranches);
    tickets += static_cast<std::ptrdiff_t>(sizeof(unsigned) * cuda::kMaxTickets / cuda::kBranches);
    info += 2 * static_cast<std::ptrdiff_t>(sizeof(std::int32_t));
  }
  CHECK(sums == at(all.partials.arrived));
  CHECK(tickets == at(all.info));
  CHECK(info == static_cast<std::ptrdiff_t>(scratch.size()));
}

TEST_CASE("a list is small when all of its tensors are") {
  std::vector<float> memory(8);
  const auto mat = [&](std::int64_t rows, std::int64_t cols) { return Mat{memory.data(), rows, cols}; };  // not touched
  CHECK(cuda::all_small({ops::Zero{as_bytes(mat(512, 512))}, ops::Forward{mat(1, 100), mat(140, 100), {}, {}}}));
  CHECK_FALSE(cuda::all_small({ops::Forward{mat(1, 100), mat(140, 100), {}, {}}, ops::Zero{as_bytes(mat(513, 512))}}));
  CHECK_FALSE(cuda::all_small({ops::ColumnMean{mat(2, 20000), mat(1, 20000)}}));
}

}  // namespace gamlp::test
