// Plain ASCII tables for a terminal, a pipe or a file.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "host/core/number_text.hpp"

namespace gamlp::cli {

// Columns of equal width, numbers to the right: the first column is aligned to the left, the others to the right.
class Table {
 public:
  explicit Table(std::vector<std::string> header);
  void row(std::vector<std::string> cells);
  std::string text(const std::string& indent = "  ") const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

// "  name                value\n", the form of every summary.
std::string summary_line(const std::string& name, const std::string& value);

// Writes to standard output; throws IoError when that fails (a full disk, a closed pipe).
void write_stdout(const std::string& text);
// Throws IoError when something of what was written, by whatever means, did not arrive.
void expect_stdout_whole();

}  // namespace gamlp::cli
