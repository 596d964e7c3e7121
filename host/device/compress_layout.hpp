// How a row of tensors is compressed for a group of devices: its division in blocks, which share a scale each, the
// division of these among the members, and where scales and codes lie in a message (ops/compress.hpp).
//
// A block has values of one tensor only. Where blocks begin does not depend on the number of members, nor on what else
// lies in the row. So with error compensation the same values give the same codes however layers are dealt to devices.
// In the message lie the parts of all members, one behind the other. A part has the scales of its blocks, then their
// codes, both padded to 16 bytes.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "host/core/parts.hpp"
#include "host/device/ops.hpp"

namespace gamlp {

class CompressLayout {
 public:
  // `tensors`: of the row, one behind the other; padded to multiples of unit(bits). `block`: values in
  // one at most, from kUnit to kMost. `bits`: 1, 4, 8, 16 or 32.
  CompressLayout(std::span<const RowTensor> tensors, std::int64_t block, int bits, int members);

  // Where codes of so many bits may begin, in values: at 16 bytes.
  static constexpr std::int64_t unit(int bits) { return bits == 32 ? 4 : ops::CompressBlocks::kUnit; }

  std::int64_t blocks() const { return static_cast<std::int64_t>(table_.size()) / ops::CompressBlocks::kColumns; }
  // What the table in device memory must hold: a row for each block.
  const std::vector<std::int32_t>& table() const { return table_; }
  const Parts& bytes() const { return bytes_; }    // of the message, by member
  const Parts& values() const { return values_; }  // of the row, by member: those that it serves
  // For ops on the whole row, and on what `count` members serve, from `member` on. `table`: in device memory.
  ops::CompressBlocks all(MatView<const std::int32_t> table) const;
  ops::CompressBlocks parts(MatView<const std::int32_t> table, int member, int count) const;
  ops::CompressBlocks part(MatView<const std::int32_t> table, int member) const { return parts(table, member, 1); }
  // What each member sends to the others in a step, in bytes: their parts, then the means of its own.
  std::int64_t bytes_sent(int member) const;

 private:
  int bits_;
  std::int64_t longest_ = 0;
  Parts shares_, bytes_, values_;  // shares: blocks
  std::vector<std::int32_t> table_;
};

}  // namespace gamlp
