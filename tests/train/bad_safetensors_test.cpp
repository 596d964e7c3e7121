// Damaged and absurd safetensors files, and the message that each must give.
#include <cstring>

#include "host/store/safetensors.hpp"
#include "tests/train/support.hpp"

namespace gamlp::test {
namespace {

// A file of any header text and data.
std::string file_of(const std::string& header, const std::string& data = {}) {
  const std::uint64_t length = header.size();
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &length, 8);
  return bytes + header + data;
}

std::string with_length(std::uint64_t length, const std::string& rest) {
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &length, 8);
  return bytes + rest;
}

std::string tensor(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return R"({"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}";
}

SafeTensors parse(const std::string& bytes) {
  return parse_safetensors(std::as_bytes(std::span(bytes)), "bad.safetensors");
}

struct BadFile {
  const char* name;
  std::string bytes;
  const char* message;
};

std::vector<BadFile> bad_files() {
  const std::string eight(8, 'x');
  const auto one = [](const std::string& entry) { return "{\"a\":" + entry + "}"; };
  return {
      {"empty", "", "holds 0 bytes"},
      {"shorter than a length", "abc", "holds 3 bytes"},
      {"a length only", with_length(10, ""), "said to take 10 bytes, the file has 0 left"},
      {"a huge length", with_length(~std::uint64_t{0}, "{}"), "said to take 18446744073709551615 bytes"},
      {"a length beyond the format's limit", with_length(200'000'000, "{}"), "said to take 200000000 bytes"},
      {"a truncated header", with_length(20, R"({"a":)"), "said to take 20 bytes, the file has 5 left"},
      {"no JSON", file_of("hello"), "the header is not a JSON object"},
      {"JSON cut short", file_of(R"({"a":{"dtype":)"), "the header is not a JSON object"},
      {"bytes that are no UTF-8", file_of("{\"\xff\":1}"), "the header is not a JSON object"},
      {"an array", file_of("[1, 2]"), "the header is not a JSON object"},
      {"an empty header", file_of(""), "the header is not a JSON object"},
      {"a number", file_of("3"), "the header is not a JSON object"},
      {"metadata of another type", file_of(R"({"__metadata__":[1]})"), "__metadata__ is not an object"},
      {"a metadata value that is no string", file_of(R"({"__metadata__":{"k":1}})"), "__metadata__.k is not a string"},
      {"a tensor that is no object", file_of(one("1")), "tensor \"a\": expected dtype, shape and data_offsets"},
      {"no dtype", file_of(one(R"({"shape":[1],"data_offsets":[0,4]})"), "xxxx"), "tensor \"a\": expected dtype"},
      {"a dtype that is no string", file_of(one(R"({"dtype":4,"shape":[1],"data_offsets":[0,4]})"), "xxxx"),
       "tensor \"a\": expected dtype"},
      {"no shape", file_of(one(R"({"dtype":"F32","data_offsets":[0,4]})"), "xxxx"), "tensor \"a\": expected dtype"},
      {"no offsets", file_of(one(R"({"dtype":"F32","shape":[1]})"), "xxxx"), "tensor \"a\": expected dtype"},
      {"one offset", file_of(one(tensor("F32", "[1]", "[0]")), "xxxx"), "tensor \"a\": expected dtype"},
      {"half precision of another length", file_of(one(tensor("F16", "[3]", "[0,8]")), eight),
       "has 8 bytes of data, its shape needs 6"},
      {"an unknown dtype behind the data", file_of(one(tensor("Q7", "[2]", "[4,12]")), eight),
       "are outside the 8 bytes"},
      {"a negative size", file_of(one(tensor("F32", "[-2]", "[0,8]")), eight), "shape holds -2, expected sizes"},
      {"a fractional size", file_of(one(tensor("F32", "[1.5]", "[0,8]")), eight), "shape holds 1.5, expected sizes"},
      {"a huge size", file_of(one(tensor("F32", "[1000000000000]", "[0,8]")), eight), "shape is larger than the file"},
      {"sizes whose product overflows", file_of(one(tensor("F32", "[4294967296,4294967296]", "[0,8]")), eight),
       "shape is larger than the file"},
      {"an empty tensor of a huge size", file_of(one(tensor("F32", "[0,18446744073709551615]", "[0,0]"))),
       "shape is larger than the file"},
      {"fractional offsets", file_of(one(tensor("F32", "[2]", "[0,8.5]")), eight), "data_offsets are not sizes"},
      {"negative offsets", file_of(one(tensor("F32", "[2]", "[-8,0]")), eight), "data_offsets are not sizes"},
      {"offsets behind the data", file_of(one(tensor("F32", "[2]", "[4,12]")), eight),
       "are outside the 8 bytes of data"},
      {"offsets in reverse", file_of(one(tensor("F32", "[2]", "[8,0]")), eight), "are outside the 8 bytes of data"},
      {"offsets that disagree with the shape", file_of(one(tensor("F32", "[1]", "[0,8]")), eight),
       "has 8 bytes of data, its shape needs 4"},
      {"a dtype that disagrees with the offsets", file_of(one(tensor("F64", "[2]", "[0,8]")), eight),
       "larger than the file"},
      {"data that belong to no tensor", file_of(one(tensor("F32", "[1]", "[0,4]")), eight),
       "cover 4 of 8 bytes of data"},
      {"a gap between tensors",
       file_of("{\"a\":" + tensor("F32", "[1]", "[0,4]") + ",\"b\":" + tensor("F32", "[1]", "[8,12]") + "}",
               eight + "xxxx"),
       "no tensor holds bytes 4 to 8 of the data"},
      {"tensors that overlap, and a gap",
       file_of("{\"a\":" + tensor("F32", "[2]", "[0,8]") + ",\"b\":" + tensor("F32", "[1]", "[4,8]") + "}",
               eight + "xxxx"),
       "overlap"},
      {"twice the same data",
       file_of("{\"a\":" + tensor("F32", "[2]", "[0,8]") + ",\"b\":" + tensor("F32", "[2]", "[0,8]") + "}",
               eight + eight),
       "overlap"},
      {"nesting without end", file_of(std::string(100'000, '[')), "the header is not a JSON object"},
  };
}

}  // namespace

TEST_CASE("every bad safetensors file is a DataError that names it and the defect") {
  for (const BadFile& bad : bad_files()) {
    INFO(bad.name);
    const std::string message = error_of<DataError>([&] { parse(bad.bytes); });
    check_says(message, "bad.safetensors: ");
    check_says(message, bad.message);
  }
}

TEST_CASE("a safetensors file cut short anywhere is refused") {
  SafeTensors content;
  content.metadata["k"] = "v";
  content.tensors["a"] = {"F32", {2, 3}, std::vector<std::byte>(24, std::byte{1})};
  content.tensors["b"] = {"F64", {2}, std::vector<std::byte>(16, std::byte{2})};
  const std::string whole = safetensors_bytes(content);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    INFO("cut to " << size << " bytes");
    CHECK_THROWS_AS(parse(whole.substr(0, size)), DataError);
  }
  CHECK_THROWS_AS(parse(whole + "x"), DataError);
}

TEST_CASE("a tensor of an unknown dtype is kept by name, without its data") {
  const SafeTensors content =
      parse(file_of("{\"a\":" + tensor("Q7", "[3]", "[0,8]") + ",\"b\":" + tensor("F32", "[1]", "[8,12]") + "}",
                    std::string(8, 'x') + std::string(4, '\0')));
  CHECK(content.tensors.at("a").dtype == "Q7");
  CHECK(content.tensors.at("a").data.empty());
  CHECK(content.tensors.at("b").data.size() == 4);
}

TEST_CASE("safetensors round trip") {
  SafeTensors content;
  content.metadata = {{"config", "{\"a\": \"b\"}\n"}, {"empty", ""}};
  content.tensors["bytes"] = {"U8", {3}, std::vector<std::byte>(3, std::byte{7})};
  content.tensors["wide"] = {"F64", {1, 2}, std::vector<std::byte>(16, std::byte{2})};
  content.tensors["none"] = {"F32", {0, 5}, {}};
  content.tensors["scalar"] = {"U32", {}, std::vector<std::byte>(4, std::byte{9})};
  const SafeTensors read = parse(safetensors_bytes(content));
  CHECK(read.metadata == content.metadata);
  REQUIRE(read.tensors.size() == content.tensors.size());
  for (const auto& [name, tensor] : content.tensors) {
    INFO(name);
    const SafeTensor& other = read.tensors.at(name);
    CHECK(other.dtype == tensor.dtype);
    CHECK(other.shape == tensor.shape);
    CHECK(other.data == tensor.data);
  }
  CHECK(safetensors_bytes(content).size() % 8 == 7);  // the three bytes come last: wider items first
}

TEST_CASE("a safetensors file that is missing or no file") {
  const ScratchFolder scratch;
  check_says(error_of<DataError>([&] { load_safetensors(scratch / "none.safetensors"); }), "cannot open");
  check_says(error_of<DataError>([&] { load_safetensors(scratch.path()); }), "not a regular file");
}

}  // namespace gamlp::test
