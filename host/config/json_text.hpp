// Turns JSON text, with // and /* */ comments, into a value. It is stricter than the parser underneath: a key that is
// given twice is an error, and size and depth are bounded.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace gamlp {

inline constexpr std::size_t config_max_bytes = std::size_t{16} << 20;
inline constexpr std::size_t config_max_depth = 32;
inline constexpr std::size_t config_max_values = 100'000;
inline constexpr std::size_t config_max_string = 8192;
inline constexpr std::size_t config_max_key = 256;

// Throws a ConfigError "SOURCE:LINE:COLUMN: what was found and expected".
nlohmann::json parse_json_text(std::string_view text, const std::string& source);

// Returns the value as JSON Schema sees it: 1e3 is an integer, and an integer beyond 2^53 is a number. Throws a
// ConfigError when the value exceeds the bounds above, or holds NaN, infinity or bytes, which JSON text cannot express.
// Writes what has an older form, and is still read, in today's: a list of numbers as `partition`, or null.
void update_form(nlohmann::json& document);
nlohmann::json canonical_json(const nlohmann::json& value, const std::string& source);

}  // namespace gamlp
