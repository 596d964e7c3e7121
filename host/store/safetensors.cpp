#include "host/store/safetensors.hpp"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <tuple>

#include "host/core/error.hpp"
#include "host/core/files.hpp"

namespace gamlp {
namespace {

constexpr std::uint64_t kMaxHeader = 100'000'000;           // the format's own limit
constexpr std::uint64_t kMaxSize = std::uint64_t{1} << 40;  // of one dimension, so that products of sizes fit int64

std::size_t item_bytes(const std::string& dtype) {
  if (dtype == "F32" || dtype == "U32" || dtype == "I32") return 4;
  if (dtype == "F64" || dtype == "I64" || dtype == "U64") return 8;
  if (dtype == "F16" || dtype == "BF16" || dtype == "I16" || dtype == "U16") return 2;
  if (dtype == "U8" || dtype == "I8" || dtype == "BOOL") return 1;
  return 0;
}

}  // namespace

std::string safetensors_bytes(const SafeTensors& content) {
  // Wider items first, so that every offset is a multiple of its item size.
  std::vector<const std::pair<const std::string, SafeTensor>*> order;
  for (const auto& entry : content.tensors) order.push_back(&entry);
  std::stable_sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
    return item_bytes(a->second.dtype) > item_bytes(b->second.dtype);
  });
  nlohmann::ordered_json header;
  if (!content.metadata.empty()) header["__metadata__"] = content.metadata;
  std::uint64_t offset = 0;
  for (const auto* entry : order) {
    const SafeTensor& tensor = entry->second;
    const std::uint64_t end = offset + tensor.data.size();
    header[entry->first] = {{"dtype", tensor.dtype}, {"shape", tensor.shape}, {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  const std::uint64_t length = text.size();
  std::string bytes(8 + text.size() + offset, '\0');
  std::memcpy(bytes.data(), &length, 8);
  std::memcpy(bytes.data() + 8, text.data(), text.size());
  auto* to = reinterpret_cast<std::byte*>(bytes.data()) + 8 + text.size();
  for (const auto* entry : order) to = std::copy(entry->second.data.begin(), entry->second.data.end(), to);
  return bytes;
}

SafeTensors parse_safetensors(std::span<const std::byte> bytes, const std::string& source) {
  const auto fail = [&](const std::string& what) -> void { throw DataError(source + ": " + what); };
  std::uint64_t length = 0;
  if (bytes.size() < 8) fail("holds " + std::to_string(bytes.size()) + " bytes, a safetensors file has at least 8");
  std::memcpy(&length, bytes.data(), 8);
  if (length > kMaxHeader || length > bytes.size() - 8) {
    fail("the header is said to take " + std::to_string(length) + " bytes, the file has " +
         std::to_string(bytes.size() - 8) + " left: not a safetensors file, or truncated");
  }
  const auto* text = reinterpret_cast<const char*>(bytes.data()) + 8;
  const nlohmann::json header = nlohmann::json::parse(text, text + length, nullptr, false);
  if (!header.is_object()) fail("the header is not a JSON object");
  // The parser takes a byte of 0 for the end of the text; what pads a header are spaces.
  if (std::find(text, text + length, '\0') != text + length) fail("the header holds a byte of 0");
  const std::uint64_t data_bytes = bytes.size() - 8 - length;
  const std::byte* data = bytes.data() + 8 + length;

  SafeTensors content;
  struct Extent {
    std::uint64_t begin, end;
    SafeTensor* tensor;
  };
  std::vector<Extent> extents;
  for (const auto& [name, entry] : header.items()) {
    if (name == "__metadata__") {
      if (!entry.is_object()) fail("__metadata__ is not an object");
      for (const auto& [key, value] : entry.items()) {
        if (!value.is_string()) fail("__metadata__." + key + " is not a string");
        content.metadata[key] = value.get<std::string>();
      }
      continue;
    }
    const std::string where = "tensor \"" + name + "\": ";
    if (!entry.is_object() || !entry.contains("dtype") || !entry["dtype"].is_string() || !entry.contains("shape") ||
        !entry["shape"].is_array() || !entry.contains("data_offsets") || !entry["data_offsets"].is_array() ||
        entry["data_offsets"].size() != 2) {
      fail(where + "expected dtype, shape and data_offsets [begin, end]");
    }
    SafeTensor tensor;
    tensor.dtype = entry["dtype"].get<std::string>();
    // A dtype of unknown size is for the reader of the content to refuse, if it needs the tensor: its data are not
    // kept.
    const std::size_t item = item_bytes(tensor.dtype);
    std::uint64_t expected = item;
    for (const auto& dimension : entry["shape"]) {
      if (!dimension.is_number_unsigned()) fail(where + "shape holds " + dimension.dump() + ", expected sizes");
      const auto size = dimension.get<std::uint64_t>();
      if (size > kMaxSize || (item != 0 && size != 0 && expected > data_bytes / size))
        fail(where + "shape is larger than the file");
      expected *= size;
      tensor.shape.push_back(static_cast<std::int64_t>(size));
    }
    if (!entry["data_offsets"][0].is_number_unsigned() || !entry["data_offsets"][1].is_number_unsigned()) {
      fail(where + "data_offsets are not sizes");
    }
    const auto begin = entry["data_offsets"][0].get<std::uint64_t>();
    const auto end = entry["data_offsets"][1].get<std::uint64_t>();
    if (begin > end || end > data_bytes) {
      fail(where + "data_offsets [" + std::to_string(begin) + ", " + std::to_string(end) + "] are outside the " +
           std::to_string(data_bytes) + " bytes of data: truncated?");
    }
    if (item != 0 && end - begin != expected) {
      fail(where + "has " + std::to_string(end - begin) + " bytes of data, its shape needs " +
           std::to_string(expected));
    }
    content.tensors[name] = std::move(tensor);
    extents.push_back({begin, end, &content.tensors[name]});
  }
  // One after the other, without gaps: nothing is copied twice, so the content is no larger than the file.
  std::sort(extents.begin(), extents.end(),
            [](const Extent& a, const Extent& b) { return std::tie(a.begin, a.end) < std::tie(b.begin, b.end); });
  std::uint64_t covered = 0;
  for (const Extent& extent : extents) {
    if (extent.begin < covered) fail("tensors overlap at byte " + std::to_string(extent.begin) + " of the data");
    if (extent.begin > covered) {
      fail("no tensor holds bytes " + std::to_string(covered) + " to " + std::to_string(extent.begin) + " of the data");
    }
    if (item_bytes(extent.tensor->dtype) != 0) extent.tensor->data.assign(data + extent.begin, data + extent.end);
    covered = extent.end;
  }
  if (covered != data_bytes) {
    fail("tensors cover " + std::to_string(covered) + " of " + std::to_string(data_bytes) + " bytes of data");
  }
  return content;
}

void save_safetensors(const std::filesystem::path& path, const SafeTensors& content) {
  write_file_atomic(path, safetensors_bytes(content));
}

SafeTensors load_safetensors(const std::filesystem::path& path) {
  const std::string bytes = read_file(path);
  return parse_safetensors(std::as_bytes(std::span(bytes)), path.string());
}

}  // namespace gamlp
