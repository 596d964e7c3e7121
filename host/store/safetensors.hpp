// The safetensors format, as PyTorch's safetensors package reads it: an 8-byte length, a JSON header, and raw
// little-endian tensors. The program writes weights and checkpoints in it.
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
  std::string dtype;  // "F32", "F64", "U32"; as found: one that this program does not know leaves `data` empty
  std::vector<std::int64_t> shape;
  std::vector<std::byte> data;
};

struct SafeTensors {
  std::map<std::string, SafeTensor> tensors;
  std::map<std::string, std::string> metadata;
};

// Returns the content of the file. Data are padded so that every tensor starts aligned to its item size.
std::string safetensors_bytes(const SafeTensors& content);

// Throws DataError that names `source`, what was found and what was expected. Nothing is allocated for a tensor before
// its offsets, shape and item size are known to agree with each other and with the file's size.
SafeTensors parse_safetensors(std::span<const std::byte> bytes, const std::string& source);

// save_safetensors() writes atomically, and throws IoError. load_safetensors() reads the whole file, and throws
// DataError.
void save_safetensors(const std::filesystem::path& path, const SafeTensors& content);
SafeTensors load_safetensors(const std::filesystem::path& path);

}  // namespace gamlp
