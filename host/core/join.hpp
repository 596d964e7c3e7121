// Joins a list of words as messages show it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace gamlp {

// Returns "a, b, c". `last` stands before the last word: with " and " the result is "a, b and c".
inline std::string joined(const std::vector<std::string>& words, std::string_view last = ", ") {
  std::string text;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) text += i + 1 == words.size() ? last : ", ";
    text += words[i];
  }
  return text;
}

}  // namespace gamlp
