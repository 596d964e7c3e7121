// Any bytes are either a machine file or an Error; a measured machine that is accepted can be written and read again.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "host/core/error.hpp"
#include "host/plan/machine.hpp"
#include "tests/fuzz/seeds.hpp"

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  gamlp::fuzz::write_seeds(
      *argc, *argv,
      {R"({"name":"a","kind":"gpu","devices":2,"memory_per_device":1e9,"gemm_tflops":1,"gemm_saturation":0,
           "multiprocessors":9,"factor_column_seconds":0,"factor_share":1,"memory_bandwidth":1e9,"op_seconds":0,
           "link":{"bandwidth":1,"latency":0},"island":1,"link_between_islands":{"bandwidth":1,"latency":0}})",
       R"({"name":"a","kind":"cpu","devices":2,"memory_total":1e9,"threads_per_device":1,"library":"b",
           "copy_bandwidth":1,"seconds":{"1":{"dot":[[1,2,3e-4],[5,6]]},"2":{}}})"});
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  gamlp::Machine machine;
  try {
    machine = gamlp::parse_machine(std::string(reinterpret_cast<const char*>(data), size), "fuzz.json");
  } catch (const gamlp::Error&) {
    return 0;
  }
  (void)gamlp::make_costs(machine, 1);
  if (machine.gpu) return 0;
  const gamlp::Machine again =
      gamlp::parse_machine(gamlp::machine_text(machine, nlohmann::ordered_json::object()), "again.json");
  if (again.seconds.size() != machine.seconds.size()) std::abort();
  return 0;
}
