// Archives that are broken, or built to hurt: each must be refused with this message, without being unpacked.
#include "tests/data/support.hpp"
#include "tests/support/catch.hpp"

using namespace gamlp;
using namespace gamlp::test;

namespace {

// Little-endian integer of `bytes` bytes over text[at].
void poke(std::string& text, std::size_t at, std::uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) text.at(at + static_cast<std::size_t>(i)) = static_cast<char>(value >> (8 * i) & 255);
}

// Offsets of a member's entries: in front of its data, and in the central directory (by the last place of its name).
std::size_t local_entry(const std::string& zip, const std::string& member) { return zip.find(member) - 30; }
std::size_t central_entry(const std::string& zip, const std::string& member) { return zip.rfind(member) - 46; }

std::string with_central(std::string zip, const std::string& member, std::size_t offset, std::uint64_t value,
                         int bytes = 4) {
  poke(zip, central_entry(zip, member) + offset, value, bytes);
  return zip;
}

constexpr std::size_t flags_at = 8, method_at = 10, crc_at = 16, compressed_at = 20, size_at = 24;

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
  return text;
}

struct BadArchive {
  const char* name;
  std::string bytes;
  std::string message;
};

std::string load_error(const std::string& bytes) {
  return data_error_of([&] { parse_npz_dataset(bytes_of(bytes), "bad.npz"); });
}

// A member that claims `declared` bytes of ones, and holds a little deflated data.
std::string with_labels(const std::string& npy) {
  MemberMap members = small_dataset();
  members["labels"] = npy;
  return zipped(members);
}

}  // namespace

TEST_CASE("archives that are broken") {
  const std::string good = zipped(small_dataset());
  const std::string stored = zipped(small_dataset(), NpzCompression::stored);
  REQUIRE(load_error(good).empty());
  REQUIRE(load_error(stored).empty());

  std::string flipped = stored;  // a bit of the data of labels
  flipped[flipped.find("NUMPY", local_entry(flipped, "labels.npy")) + 130] ^= 4;
  std::string garbled = good;  // deflated data that are none
  poke(garbled, local_entry(garbled, "labels.npy") + 30 + 10, 0xffffffffffffffff, 8);
  const std::string bomb = with_labels(npy_of("<i8", "(4000000000,)", raw<std::int64_t>({0, 1, 1, 0})));

  const BadArchive corpus[] = {
      {"empty file", "", "bad.npz: cannot be read as .npz"},
      {"text", "this is no archive at all\n", "bad.npz: cannot be read as .npz: Not a zip archive"},
      {"a bare .npy", npy_bytes(std::vector<float>{1}), "expected a whole zip archive as written by numpy.savez"},
      {"cut in half", good.substr(0, good.size() / 2), "bad.npz: cannot be read as .npz"},
      {"last byte missing", good.substr(0, good.size() - 1), "bad.npz: cannot be read as .npz"},
      {"front missing", good.substr(200), "bad.npz: "},
      {"checksum in the data", flipped, "bad.npz: labels: corrupt: CRC error"},
      {"checksum in the directory", with_central(stored, "labels.npy", crc_at, 12345),
       "bad.npz: labels: corrupt: CRC error"},
      {"deflated data garbled", garbled, "bad.npz: labels: corrupt"},
      {"declared size too small", with_central(good, "labels.npy", size_at, 100),
       "bad.npz: labels: found a member of 100 bytes"},
      {"declared size too large", with_central(good, "labels.npy", size_at, 4000),
       "bad.npz: labels: found a member of 4000 bytes, expected 160"},
      {"declared size absurd", with_central(good, "labels.npy", size_at, 0xfffffff0),
       "bad.npz: labels: found a declared size of 4294967280 bytes in"},
      {"stored sizes differ", with_central(stored, "labels.npy", size_at, 100), "stored ones, which is impossible"},
      {"compressed size absurd", with_central(good, "labels.npy", compressed_at, 0x7fffffff),
       "bad.npz: labels.npy: members overlap"},
      {"encrypted", with_central(good, "labels.npy", flags_at, 1, 2), "bad.npz: labels"},
      {"method lzma", with_central(good, "labels.npy", method_at, 14, 2),
       "bad.npz: labels: found zip compression method 14, expected stored (0) or deflated (8)"},
      {"shape larger than the member", bomb, "bad.npz: labels: found a member of"},
      {"shape that overflows", with_labels(npy_of("<i8", "(3037000500, 3037000500)", "")),
       "bad.npz: labels: absurd shape"},
      {"member too short for a header", with_labels("\x93NUM"), "bad.npz: labels: found no .npy header"},
      {"member without content", with_labels(std::string()), "bad.npz: labels: found no .npy header"},
      {"member with a header only", with_labels(npy_of("<i8", "(4,)", "")), "expected"},
      {"header longer than the member", with_labels(std::string("\x93NUMPY\x01\x00\xff\x0f{'a", 14)),
       "bad.npz: labels: found a member of 14 bytes, too short for its .npy header of 4105"},
      {"pickle of numpy", with_labels(npy_of("|O", "(4,)", "\x80\x03")), "save the array again"},
      {"scalar labels", with_labels(npy_of("<i8", "()", raw<std::int64_t>({1}))), "bad.npz: labels: found shape ()"},
  };
  for (const BadArchive& bad : corpus) {
    INFO(bad.name);
    CHECK(contains(load_error(bad.bytes), bad.message));
  }
}

TEST_CASE("two members of one name") {
  MemberMap members = small_dataset();
  members["test_masc"] = members["test_mask"];
  CHECK(
      contains(load_error(replaced(zipped(members), "test_masc", "test_mask")), "bad.npz: test_mask.npy: found twice"));
}

TEST_CASE("a bomb of honest zeros is stopped by the limit") {
  MemberMap members = small_dataset();
  members["labels"] = npy_bytes(std::vector<std::int64_t>(2'000'000, 0));
  const std::string bytes = zipped(members);
  CHECK(bytes.size() < 100'000);
  const std::string message =
      data_error_of([&] { parse_npz_dataset(bytes_of(bytes), "bad.npz", {.total_bytes = 1 << 20}); });
  CHECK(contains(message, "bad.npz: labels: found 16000128 bytes once unpacked, expected at most the 10"));
}

TEST_CASE("every truncation and every flipped byte is an error or the same graph, never a crash") {
  const std::string good = zipped(small_dataset());
  for (std::size_t size = 0; size < good.size(); size += 7) CHECK(!load_error(good.substr(0, size)).empty());
  for (std::size_t at = 0; at < good.size(); ++at) {
    std::string bytes = good;
    bytes[at] = static_cast<char>(bytes[at] ^ 0x55);
    std::int64_t nodes = 4;
    std::string message = "bad.npz";
    try {
      nodes = parse_npz_dataset(bytes_of(bytes), "bad.npz").nodes();
    } catch (const DataError& error) {
      message = error.what();
    }
    CHECK((nodes == 4 && contains(message, "bad.npz")));
  }
}

TEST_CASE("files that cannot be read") {
  const ScratchFolder folder;
  const auto path = folder.path() / "none.npz";
  CHECK(contains(data_error_of([&] { load_npz_dataset(path); }), path.string() + ": no such file"));
  CHECK(contains(data_error_of([&] { load_npz_dataset(folder.path()); }), ": is not a regular file"));
  CHECK(contains(data_error_of([&] { load_npz_dataset(folder.write("x.npz", "zip?")); }), "cannot be read as .npz"));
}
