#include <cmath>
#include <cstring>

#include "host/cpu/cpu_device.hpp"
#include "tests/conformance/suite.hpp"

namespace gamlp::conformance {
namespace {

template <class T>
double value_at(const std::vector<std::byte>& bytes, std::size_t i) {
  T x;
  std::memcpy(&x, bytes.data() + i * sizeof(T), sizeof(T));
  return static_cast<double>(x);
}

template <class T>
void compare_values(const Arena::Tensor& expected, const Arena::Tensor& found, Result& result) {
  const std::size_t count = expected.contents.size() / sizeof(T);
  const auto lower = static_cast<std::size_t>(expected.bound.lower);
  for (std::size_t i = 0; i < count; ++i) {
    if (lower > 0 && i % lower > i / lower) continue;
    const double x = value_at<T>(found.contents, i), y = value_at<T>(expected.contents, i);
    const double bound = expected.bound.eps * (std::abs(y) + expected.bound.scale);
    const bool same =
        std::memcmp(found.contents.data() + i * sizeof(T), expected.contents.data() + i * sizeof(T), sizeof(T)) == 0 ||
        (std::isnan(x) && std::isnan(y));
    const double share = same ? 0.0 : bound > 0.0 ? std::abs(x - y) / bound : INFINITY;
    if (share > result.worst || std::isnan(share)) {
      result.worst = std::isnan(share) ? INFINITY : share;
      result.worst_tensor = expected.name;
    }
    if (!same && !(std::abs(x - y) <= bound) && result.passed) {
      result.passed = false;
      result.failure = expected.name + "[" + std::to_string(i) + "] is " + std::to_string(x) + ", on the CPU " +
                       std::to_string(y) + ", bound " + std::to_string(bound);
    }
  }
}

}  // namespace

Result compare(const Case& one, std::uint64_t seed, Device& device, Stream& stream, bool host_memory) {
  Result result{one.op, one.what, true, "", 0.0, ""};
  CpuDevice cpu(0, 1);
  const auto cpu_stream = cpu.create_stream("compute", StreamKind::compute);
  Arena expected(cpu, *cpu_stream, seed, false), found(device, stream, seed, host_memory);
  expected.run(one.build(expected));
  found.run(one.build(found));
  for (std::size_t i = 0; i < expected.tensors().size(); ++i) {
    const Arena::Tensor &e = expected.tensors()[i], &f = found.tensors()[i];
    if (!f.guards_intact && result.passed) {
      result.passed = false;
      result.failure = "memory beside " + e.name + " was written";
    }
    switch (e.type) {
      case Arena::Type::float32:
        compare_values<float>(e, f, result);
        break;
      case Arena::Type::float64:
        compare_values<double>(e, f, result);
        break;
      case Arena::Type::other:
        if (e.contents != f.contents && result.passed) {
          result.passed = false;
          std::size_t at = 0;
          while (e.contents[at] == f.contents[at]) ++at;
          result.failure =
              e.name + " differs from byte " + std::to_string(at) + " of " + std::to_string(e.contents.size()) + " on";
        }
    }
  }
  return result;
}

}  // namespace gamlp::conformance
