// Finds the known word that is nearest to a misspelt one, for messages with "did you mean …?".
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace gamlp {

// Returns the candidate that `word` most likely misspells, or "" when none is near. It compares by edit distance
// (insertions, deletions, substitutions and swaps of neighbours), and ignores case and the difference between '-' and
// '_'. A candidate that begins with `word` counts as near.
std::string closest_match(std::string_view word, std::span<const std::string> candidates);

}  // namespace gamlp
