#include "host/core/files.hpp"

#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <string>
#include <sys/stat.h>
#include <unistd.h>

#include "host/core/error.hpp"
#include "tests/support/catch.hpp"

using namespace gamlp;

namespace {

struct Folder {
  std::filesystem::path path =
      std::filesystem::temp_directory_path() / ("gamlp_files_test_" + std::to_string(::getpid()));
  Folder() { std::filesystem::create_directories(path); }
  ~Folder() {
    std::error_code error;
    std::filesystem::remove_all(path, error);
  }
};

std::size_t files_in(const std::filesystem::path& folder) {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder)) ++count;
  return count;
}

}  // namespace

TEST_CASE("what is written is read back, and nothing is left beside it") {
  const Folder folder;
  const auto path = folder.path / "a.bin";
  const std::string content("one\0two\n", 8);
  write_file_atomic(path, content);
  CHECK(read_file(path) == content);
  const std::string_view parts[] = {"part 1, ", "", "part 2"};
  write_file_atomic(path, parts);
  CHECK(read_file(path) == "part 1, part 2");
  write_file_atomic(path, std::string_view());
  CHECK(read_file(path).empty());
  CHECK(files_in(folder.path) == 1);
}

TEST_CASE("what is no file is written into, not replaced") {
  const Folder folder;
  const auto pipe = folder.path / "pipe";
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  const int reader = ::open(pipe.c_str(), O_RDONLY | O_NONBLOCK);
  REQUIRE(reader >= 0);
  CHECK(is_device_file(pipe));
  write_file_atomic(pipe, "content");
  char got[16] = {};
  CHECK(::read(reader, got, sizeof got) == 7);
  CHECK(std::string(got) == "content");
  ::close(reader);
  CHECK(is_device_file(pipe));
  CHECK_FALSE(is_device_file(folder.path));
  CHECK_FALSE(is_device_file(folder.path / "none"));
}

TEST_CASE("of temporary files only the program's own are removed") {
  const Folder folder;
  for (const char* name : {"a.json.tmp.12", "notes.tmp.txt", "b.tmp.", "c.tmp.1.txt"}) {
    write_file_atomic(folder.path / name, "x");
  }
  remove_temporary_files(folder.path);
  CHECK_FALSE(std::filesystem::exists(folder.path / "a.json.tmp.12"));
  CHECK(files_in(folder.path) == 3);
}

TEST_CASE("files that cannot be read are refused by name") {
  const Folder folder;
  const auto message = [](const std::filesystem::path& path, std::uintmax_t limit) -> std::string {
    try {
      read_file(path, limit);
    } catch (const DataError& error) {
      return error.what();
    }
    return "";
  };
  const auto missing = folder.path / "missing";
  CHECK(message(missing, 10).find(missing.string()) != std::string::npos);
  CHECK(message(folder.path, 10).find(folder.path.string()) != std::string::npos);
  const auto large = folder.path / "large";
  write_file_atomic(large, "0123456789A");
  CHECK(message(large, 10).find(large.string()) != std::string::npos);
  CHECK(read_file(large, 11).size() == 11);
}

TEST_CASE("files that cannot be written leave the old content") {
  const Folder folder;
  CHECK_THROWS_AS(write_file_atomic(folder.path / "no" / "folder", "x"), IoError);
  const auto occupied = folder.path / "occupied";
  write_file_atomic(occupied, "old");
  CHECK_THROWS_AS(make_writable_folder(occupied), IoError);
  CHECK_THROWS_AS(make_writable_folder(occupied / "below"), IoError);
  CHECK(read_file(occupied) == "old");
  make_writable_folder(folder.path / "new" / "deep");
  CHECK(std::filesystem::is_directory(folder.path / "new" / "deep"));
  CHECK(files_in(folder.path / "new" / "deep") == 0);
}

TEST_CASE("the CRC is that of ISO-HDLC, and continues") {
  const std::string text = "123456789";
  const auto bytes = std::as_bytes(std::span(text.data(), text.size()));
  CHECK(crc32_of(bytes) == 0xCBF43926u);
  CHECK(crc32_of(bytes.subspan(4), crc32_of(bytes.first(4))) == 0xCBF43926u);
  CHECK(crc32_of({}) == 0u);
}
