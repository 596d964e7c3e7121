// Any bytes are either a config or an Error; a config that is accepted can be written and read again.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "host/core/error.hpp"
#include "host/methods/load_config.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  gamlp::Config config;
  try {
    config = gamlp::parse_config_text(text, "fuzz.json");
  } catch (const gamlp::Error&) {
    return 0;
  }
  (void)gamlp::config_warnings(config);
  const std::string written = gamlp::to_json(config).dump();
  if (gamlp::to_json(gamlp::parse_config_text(written, "again.json")).dump() != written) std::abort();
  return 0;
}
