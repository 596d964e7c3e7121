// Any bytes are either tensors that keep the format's promises or a DataError.
#include <cstdint>
#include <cstdlib>

#include "host/core/error.hpp"
#include "host/store/safetensors.hpp"
#include "tests/fuzz/seeds.hpp"

namespace {

std::string file_of(const std::string& header, const std::string& data) {
  std::string length(8, '\0');
  length[0] = static_cast<char>(header.size() & 255);
  length[1] = static_cast<char>(header.size() >> 8);
  return length + header + data;
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  gamlp::SafeTensors content;
  content.metadata = {{"format", "gamlp checkpoint"}, {"version", "1"}};
  content.tensors["W1"] = {"F32", {2, 3}, std::vector<std::byte>(24)};
  content.tensors["sums"] = {"F64", {1, 2}, std::vector<std::byte>(16)};
  content.tensors["iteration"] = {"U32", {1, 1}, std::vector<std::byte>(4)};
  gamlp::fuzz::write_seeds(
      *argc, *argv,
      {gamlp::safetensors_bytes(content), gamlp::safetensors_bytes({}),
       file_of(R"({"a":{"dtype":"U8","shape":[],"data_offsets":[0,1]}})", "x"),
       file_of(R"({"a":{"dtype":"F32","shape":[0,9],"data_offsets":[0,0]}})", ""), file_of("[]", "")});
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::span<const std::byte> bytes = std::as_bytes(std::span(data, size));
  try {
    const gamlp::SafeTensors content = gamlp::parse_safetensors(bytes, "fuzz.safetensors");
    std::size_t held = 0;
    for (const auto& [name, tensor] : content.tensors) {
      held += tensor.data.size();
      for (const std::int64_t extent : tensor.shape) {
        if (extent < 0) std::abort();
      }
    }
    if (held > size) std::abort();
    // What was read can be written and read again.
    const std::string again = gamlp::safetensors_bytes(content);
    const auto copy = gamlp::parse_safetensors(std::as_bytes(std::span(again)), "again.safetensors");
    if (copy.tensors.size() != content.tensors.size() || copy.metadata != content.metadata) std::abort();
  } catch (const gamlp::DataError&) {
  }
  return 0;
}
