// Any three texts (edges, features and labels, separated by bytes 0) are either a dataset or a DataError.
#include <cmath>
#include <cstdint>
#include <cstdlib>

#include "host/core/error.hpp"
#include "host/data/load.hpp"
#include "tests/fuzz/seeds.hpp"

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  const std::string zero(1, '\0');
  gamlp::fuzz::write_seeds(*argc, *argv,
                           {"0 1\n1,2\n# end\n" + zero + "1.5,2\n-3e2,4\n0,0\n" + zero + "0\n1\n0\n",
                            "0\t1\r\n" + zero + "1\t+2\n\n3 4\n" + zero + "0\n1", zero + "1" + zero + "0",
                            "0 1 2\n" + zero + "nan,inf\n" + zero + "65536\n"});
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  std::string_view parts[3];
  for (std::string_view& part : parts) {
    const std::size_t end = text.find('\0');
    part = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  try {
    const gamlp::Dataset dataset =
        gamlp::parse_text_dataset({parts[0], "edges"}, {parts[1], "features"}, {parts[2], "labels"});
    if (dataset.labels.size() != static_cast<std::size_t>(dataset.features_dense.rows())) std::abort();
    for (const float value : dataset.features_dense.view().flat()) {
      if (!std::isfinite(value)) std::abort();
    }
    for (const std::int32_t to : dataset.adjacency.indices) {
      if (to < 0 || to >= dataset.nodes()) std::abort();
    }
  } catch (const gamlp::DataError&) {
  }
  return 0;
}
