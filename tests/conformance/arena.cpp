#include "tests/conformance/arena.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "tests/support/asan.hpp"

namespace gamlp::conformance {
namespace {

constexpr std::size_t kGuard = 256;
constexpr std::byte kSentinel{0xA5};

}  // namespace

Arena::~Arena() {
  for (const Tensor& tensor : tensors_) guard(tensor, false);
}

// Reading and writing beside a tensor's values is then an error, where the device's memory is the host's.
void Arena::guard(const Tensor& tensor, [[maybe_unused]] bool on) const {
  if (!host_memory_) return;
#if defined(GAMLP_ASAN)
  const std::byte* begin = tensor.memory.raw(tensor.memory.bytes()).data;
  const std::size_t size = tensor.contents.size();
  if (on) {
    ASAN_POISON_MEMORY_REGION(begin, kGuard);
    ASAN_POISON_MEMORY_REGION(begin + kGuard + size, kGuard);
  } else {
    ASAN_UNPOISON_MEMORY_REGION(begin, tensor.memory.bytes());
  }
#else
  static_cast<void>(tensor);
#endif
}

template <class T>
MatView<T> Arena::add(const char* name, std::int64_t rows, std::int64_t cols, Type type, Bound bound, const T* values) {
  Tensor tensor{name, type, bound, {}, {}, true};
  tensor.contents.resize(static_cast<std::size_t>(rows * cols) * sizeof(T));
  if (!tensor.contents.empty()) std::memcpy(tensor.contents.data(), values, tensor.contents.size());
  tensor.memory = device_.allocate(tensor.contents.size() + 2 * kGuard, name, MemoryKind::data);
  std::byte* data = tensor.memory.raw(tensor.memory.bytes()).data + kGuard;
  tensors_.push_back(std::move(tensor));
  return {reinterpret_cast<T*>(data), rows, cols};
}

Mat Arena::values(const char* name, std::int64_t rows, std::int64_t cols, const std::vector<float>& x, Bound bound) {
  return add(name, rows, cols, Type::float32, bound, x.data());
}

std::vector<float> Arena::normals(std::int64_t count, double scale) {
  constexpr std::size_t kDrawn = 250'007;
  std::vector<float> x(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < std::min(x.size(), kDrawn); ++i) x[i] = static_cast<float>(scale * random_.normal());
  for (std::size_t i = kDrawn; i < x.size(); ++i) x[i] = x[i - kDrawn];
  return x;
}

Mat Arena::normal(const char* name, std::int64_t rows, std::int64_t cols, Bound bound, double scale) {
  return values(name, rows, cols, normals(rows * cols, scale), bound);
}

Mat Arena::output(const char* name, std::int64_t rows, std::int64_t cols, Bound bound) {
  const std::vector<float> x(static_cast<std::size_t>(rows * cols), std::numeric_limits<float>::quiet_NaN());
  return values(name, rows, cols, x, bound);
}

MatView<double> Arena::scalars(const char* name, std::vector<double> x, Bound bound) {
  return add(name, 1, static_cast<std::int64_t>(x.size()), Type::float64, bound, x.data());
}

MatView<double> Arena::scalar_output(const char* name, std::int64_t count, Bound bound) {
  return scalars(name, std::vector<double>(static_cast<std::size_t>(count), std::nan("")), bound);
}

MatView<std::int32_t> Arena::labels(const char* name, std::int64_t count, std::int64_t classes) {
  std::vector<std::int32_t> x(static_cast<std::size_t>(count));
  for (auto& y : x) y = static_cast<std::int32_t>(random_.below(static_cast<std::uint64_t>(classes)));
  return add(name, 1, count, Type::other, {}, x.data());
}

MatView<std::uint32_t> Arena::counter(const char* name, std::uint32_t value) {
  return add(name, 1, 1, Type::other, {}, &value);
}

MatView<std::int32_t> Arena::integers(const char* name, std::int64_t rows, const std::vector<std::int32_t>& x) {
  return add(name, rows, static_cast<std::int64_t>(x.size()) / rows, Type::other, {}, x.data());
}

Bytes Arena::bytes(const char* name, const std::vector<std::byte>& x) {
  return add(name, 1, static_cast<std::int64_t>(x.size()), Type::other, {}, x.data());
}

Bytes Arena::bytes(const char* name, std::int64_t count) {
  return bytes(name, std::vector<std::byte>(static_cast<std::size_t>(count), std::byte{0}));
}

void Arena::run(const Op& op) {
  std::vector<std::vector<std::byte>> all;
  for (const Tensor& tensor : tensors_) {
    std::vector<std::byte> bytes(tensor.memory.bytes(), kSentinel);
    std::copy(tensor.contents.begin(), tensor.contents.end(), bytes.begin() + kGuard);
    all.push_back(std::move(bytes));
    stream_.enqueue(ops::Upload{all.back().data(), tensor.memory.raw(tensor.memory.bytes())});
  }
  stream_.synchronize();
  for (const Tensor& tensor : tensors_) guard(tensor, true);
  stream_.enqueue(op);
  stream_.synchronize();
  for (const Tensor& tensor : tensors_) guard(tensor, false);
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    stream_.enqueue(ops::Download{tensors_[i].memory.raw(tensors_[i].memory.bytes()), all[i].data()});
  }
  stream_.synchronize();
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    Tensor& tensor = tensors_[i];
    const auto end = all[i].begin() + static_cast<std::ptrdiff_t>(kGuard + tensor.contents.size());
    const auto is_sentinel = [](std::byte b) { return b == kSentinel; };
    tensor.guards_intact = std::all_of(all[i].begin(), all[i].begin() + kGuard, is_sentinel) &&
                           std::all_of(end, all[i].end(), is_sentinel);
    std::copy(all[i].begin() + kGuard, end, tensor.contents.begin());
  }
}

}  // namespace gamlp::conformance
