// The config section `exchange`. It says how tensors are coded on their way to a neighbour.
#pragma once

#include <cstdint>
#include <vector>

#include "host/math/quantize.hpp"

namespace gamlp {

// The default is the paper's grid {-1, 0, …, 20}.
struct GridConfig {
  double min = -1.0, max = 20.0;
  std::int64_t levels = 22;
};
struct CodecConfig {
  std::int64_t bits = 8;  // 1, 2, 4, 8, 16, or 32 = float32, unquantised
  Coding coding = Coding::value;
  Range range = Range::tensor;
  std::int64_t block = 64;  // values per block (range = block): 16 … 4096, a power of two
  GridConfig grid;          // range = fixed
  Rounding rounding = Rounding::nearest;
  bool error_feedback = false;  // coding = value only
};
// The bits from `epoch` of each stage on.
struct BitScheduleEntry {
  std::int64_t epoch = 0;
  std::int64_t bits = 8;
};
struct ExchangeConfig {
  CodecConfig p;
  CodecConfig q;
  std::vector<BitScheduleEntry> schedule;  // replaces the bits of every quantised tensor (bits < 32)
};

// The format of one tensor at one epoch of a stage. Where the codec quantises, scheduled_bits > 0 replaces its bits.
inline WireFormat wire_format(const CodecConfig& codec, std::int64_t scheduled_bits = 0) {
  WireFormat format;
  format.bits = static_cast<int>(codec.bits < 32 && scheduled_bits > 0 ? scheduled_bits : codec.bits);
  format.coding = format.bits < 32 ? codec.coding : Coding::value;
  format.range = codec.range;
  format.block = codec.block;
  format.grid_min = static_cast<float>(codec.grid.min);
  format.grid_max = static_cast<float>(codec.grid.max);
  format.grid_levels = static_cast<std::int32_t>(codec.grid.levels);
  return format;
}

}  // namespace gamlp
