#include "host/device/compress_layout.hpp"

#include <algorithm>
#include <limits>

namespace gamlp {
namespace {

constexpr std::int64_t padded_to_16(std::int64_t bytes) { return (bytes + 15) / 16 * 16; }

}  // namespace

CompressLayout::CompressLayout(std::span<const RowTensor> tensors, std::int64_t block, int bits, int members)
    : bits_(bits) {
  using Blocks = ops::CompressBlocks;
  expects(bits == 1 || bits == 4 || bits == 8 || bits == 16 || bits == 32, "codes have 1, 4, 8, 16 or 32 bits");
  expects(block % Blocks::kUnit == 0 && block > 0 && block <= Blocks::kMost, "blocks have 128 to 4096 values");
  for (const RowTensor& tensor : tensors) expects(tensor.padded % unit(bits) == 0, "tensors begin where blocks may");
  const std::vector<RowTensor> found = row_blocks(tensors, block);
  for (const RowTensor& one : found) longest_ = std::max(longest_, one.padded);
  shares_ = Parts::even(static_cast<std::int64_t>(found.size()), members, 1);
  std::vector<std::int64_t> bytes, values;
  std::int64_t begin = 0;
  for (int member = 0; member < members; ++member) {
    const std::int64_t scales = bits < 16 ? padded_to_16(4 * shares_.size(member)) : 0;
    std::int64_t codes = begin + scales, served = 0;
    for (std::int64_t i = shares_.first(member); i < shares_.first(member + 1); ++i) {
      const RowTensor& one = found[static_cast<std::size_t>(i)];
      for (const std::int64_t entry :
           {one.first, one.padded, one.values, begin / 4 + (i - shares_.first(member)), codes / 16}) {
        expects(entry <= std::numeric_limits<std::int32_t>::max(), "a row has fewer than 2^31 values");
        table_.push_back(static_cast<std::int32_t>(entry));
      }
      codes += one.padded * bits / 8;
      served += one.padded;
    }
    bytes.push_back(padded_to_16(codes) - begin);
    values.push_back(served);
    begin += bytes.back();
  }
  bytes_ = Parts(bytes);
  values_ = Parts(values);
}

ops::CompressBlocks CompressLayout::all(MatView<const std::int32_t> table) const {
  return {table, bits_, longest_, 0, 0};
}

ops::CompressBlocks CompressLayout::parts(MatView<const std::int32_t> table, int member, int count) const {
  return {{table.row(shares_.first(member)), shares_.first(member + count) - shares_.first(member), table.cols},
          bits_,
          longest_,
          values_.first(member),
          bytes_.first(member)};
}

std::int64_t CompressLayout::bytes_sent(int member) const {
  return bytes_.total() - bytes_.size(member) + (bytes_.count() - 1) * bytes_.size(member);
}

}  // namespace gamlp
