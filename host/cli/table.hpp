// Writes plain ASCII tables for a terminal, a pipe or a file.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "host/core/number_text.hpp"

namespace gamlp::cli {

// A table whose rows have columns of equal width. The first column is aligned to the left, the others, with numbers, to
// the right.
class Table {
 public:
  explicit Table(std::vector<std::string> header);
  void row(std::vector<std::string> cells);
  std::string text(const std::string& indent = "  ") const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

// Returns "  name                value\n", the form of every line of a summary.
std::string summary_line(const std::string& name, const std::string& value);

// Writes to standard output. Throws IoError when that fails (a full disk, a closed pipe).
void write_stdout(const std::string& text);
// Throws IoError when a part of what was written, by whatever means, did not arrive.
void expect_stdout_whole();

}  // namespace gamlp::cli
