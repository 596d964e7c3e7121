// Every op of the CUDA kernels against the CPU, on the executor, with threads and blocks in both orders.
#include <set>

#include "tests/conformance/suite.hpp"
#include "tests/simt/simt.hpp"
#include "tests/simt/simt_device.hpp"
#include "tests/support/catch.hpp"

using namespace gamlp;

namespace {

struct Order {
  explicit Order(bool reverse) { simt::options().reverse = reverse; }
  ~Order() { simt::options().reverse = false; }
};

}  // namespace

TEST_CASE("every op agrees with the CPU, threads in either order") {
  for (const bool reverse : {false, true}) {
    const Order order(reverse);
    test::SimtDevice device(0);
    const auto stream = device.create_stream("compute", StreamKind::compute);
    std::uint64_t seed = reverse ? 1000 : 1;
    for (const conformance::Case& one : conformance::all_cases({})) {
      const conformance::Result result = conformance::compare(one, seed++, device, *stream, true);
      INFO(result.op << ": " << result.what << (reverse ? ", reversed" : "") << ": " << result.failure);
      CHECK(result.passed);
    }
  }
}

TEST_CASE("the suite knows every op") {
  std::set<std::string> covered = {"upload", "download"};  // by every case
  for (const conformance::Case& one : conformance::all_cases({})) covered.insert(one.op);
  const auto check = [&]<class... Ops>(std::variant<Ops...>*) {
    (([&] {
       INFO(Ops::name);
       CHECK(covered.count(Ops::name) == 1);
     }()),
     ...);
  };
  check(static_cast<OpVariant*>(nullptr));
}
