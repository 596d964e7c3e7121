// The safetensors format (an 8-byte length, a JSON header, raw little-endian tensors), as PyTorch's
// safetensors package reads it. Weights and checkpoints are written in it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gamlp {

struct SafeTensor {
  std::string dtype;  // "F32", "F64", "U32"; as found, also one that this program does not know: then without data
  std::vector<std::int64_t> shape;
  std::vector<std::byte> data;
};

struct SafeTensors {
  std::map<std::string, SafeTensor> tensors;
  std::map<std::string, std::string> metadata;
};

// The file's content; data are padded so that every tensor starts aligned to its item size.
std::string safetensors_bytes(const SafeTensors& content);

// Throws DataError naming `source`, what was found and what was expected. Nothing is allocated for a tensor
// before its offsets, shape and item size have been found to agree with each other and with the file's size.
SafeTensors parse_safetensors(std::span<const std::byte> bytes, const std::string& source);

// Written atomically (IoError) / read whole (DataError).
void save_safetensors(const std::filesystem::path& path, const SafeTensors& content);
SafeTensors load_safetensors(const std::filesystem::path& path);

}  // namespace gamlp
