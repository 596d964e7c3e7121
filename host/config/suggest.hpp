// "Did you mean …?": the nearest of a list of known words.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace gamlp {

// The candidate that `word` most likely misspells, or "" when none is near: by edit distance (insertions,
// deletions, substitutions and swaps of neighbours; case and '-' against '_' ignored), or a candidate
// that begins with `word`.
std::string closest_match(std::string_view word, std::span<const std::string> candidates);

}  // namespace gamlp
