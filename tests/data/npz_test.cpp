#include "host/data/npz.hpp"

#include "tests/data/support.hpp"
#include "tests/support/catch.hpp"

using namespace gamlp;
using namespace gamlp::test;

TEST_CASE("stored and deflated members, from memory and from disk") {
  const std::vector<float> values(5000, 2.5f);
  const ScratchFolder folder;
  for (const auto compression : {NpzCompression::stored, NpzCompression::deflated}) {
    const std::string bytes =
        npz_bytes({{"a", npy_bytes(values)}, {"b", npy_bytes(std::vector<float>{1})}}, compression);
    CHECK((bytes.size() < 5000) == (compression == NpzCompression::deflated));
    NpzReader memory(bytes_of(bytes), "memory.npz");
    CHECK(memory.keys() == std::vector<std::string>{"a", "b"});
    CHECK(memory.contains("a"));
    CHECK(!memory.contains("a.npy"));
    CHECK(memory.read("a").to<float>() == values);
    CHECK(memory.read("b").to<float>() == std::vector<float>{1});
    NpzReader disk(folder.write("file.npz", bytes));
    CHECK(disk.read("a").to<float>() == values);
  }
}

TEST_CASE("the same members give the same archive") { CHECK(zipped(small_dataset()) == zipped(small_dataset())); }

TEST_CASE("an archive without members is read, and has none") {
  NpzReader reader(bytes_of(std::string("PK\5\6") + std::string(18, '\0')), "empty.npz");
  CHECK(reader.keys().empty());
  CHECK(contains(data_error_of([&] { reader.read("a"); }), "empty.npz: a: missing; the file holds nothing"));
}

TEST_CASE("the limit counts everything that one reader unpacks") {
  const std::string bytes = npz_bytes({{"a", npy_bytes(std::vector<float>(100))}});
  NpzReader reader(bytes_of(bytes), "a.npz", {.total_bytes = 1200});
  CHECK_NOTHROW(reader.read("a"));
  CHECK_NOTHROW(reader.read("a"));
  CHECK(
      contains(data_error_of([&] { reader.read("a"); }), "a.npz: a: found 528 bytes once unpacked, expected at most"));
}

TEST_CASE("pickled members that nobody asks for do no harm") {
  const std::string bytes =
      npz_bytes({{"names", npy_of("|O", "(2,)", "\x80\x04garbage")}, {"a", npy_bytes(std::vector<float>{3})}});
  NpzReader reader(bytes_of(bytes), "a.npz");
  CHECK(reader.read("a").to<float>()[0] == 3.0f);
  CHECK(contains(data_error_of([&] { reader.read("names"); }), "a.npz: names: found dtype 'object'"));
}

TEST_CASE("writing into a missing folder is an error that names the file") {
  try {
    write_npz("/nonexistent/x.npz", {{"a", npy_bytes(std::vector<float>{1})}});
    FAIL("no error");
  } catch (const IoError& error) {
    CHECK(contains(error.what(), "/nonexistent/x.npz"));
  }
}
