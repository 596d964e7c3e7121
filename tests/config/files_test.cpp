// Configs on disk: the published ones, and files that are not configs.
#include "host/core/files.hpp"

#include <filesystem>
#include <unistd.h>
#include <vector>

#include "host/config/locate.hpp"
#include "tests/config/support.hpp"

using namespace gamlp;
using test::contains;
namespace fs = std::filesystem;

namespace {

class TemporaryFolder {
 public:
  TemporaryFolder() : path_(fs::temp_directory_path() / ("gamlp_config_test." + std::to_string(::getpid()))) {
    fs::create_directories(path_);
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  fs::path operator/(const char* name) const { return path_ / name; }

 private:
  fs::path path_;
};

std::string load_error(const fs::path& file) {
  return test::config_error([&] { load_config(file); });
}

std::string missing_from(const fs::path& folder) {
  try {
    locate_file("dataset.path", "absent.npz", folder);
  } catch (const DataError& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("every published config loads, survives a round trip and warns of nothing", "[config]") {
  int count = 0;
  std::vector<fs::path> files;
  for (const char* folder : {"/configs", "/configs/best"}) {
    for (const auto& entry : fs::directory_iterator(std::string(GAMLP_SOURCE_DIR) + folder))
      files.push_back(entry.path());
  }
  for (const fs::path& file : files) {
    if (file.extension() != ".json" || file.filename() == "schema.json") continue;
    INFO(file.string());
    const Config config = load_config(file);
    const std::string text = to_json(config).dump(2);
    CHECK(to_json(parse_config_text(text, "again")).dump(2) == text);
    CHECK(config_warnings(config).empty());
    CHECK(config.stages.back().layers == 10);
    ++count;
  }
  CHECK(count >= 19);
}

TEST_CASE("load_config applies overrides and names the file", "[config]") {
  const TemporaryFolder folder;
  const fs::path file = folder / "c.json";
  write_file_atomic(file, test::with_dataset(""));
  const std::vector<std::string> good = {"model.width=7"}, bad = {"model.width=0"};
  CHECK(load_config(file, good).model.width == 7);
  CHECK(contains(test::config_error([&] { load_config(file, bad); }),
                 file.string() + " (with overrides): `model.width`"));
  CHECK(load_config(file).model.width == 100);
}

TEST_CASE("files that are not configs are config errors", "[config]") {
  const TemporaryFolder folder;
  CHECK(contains(load_error(folder / "missing.json"), "missing.json: cannot open"));
  fs::create_directory(folder / "folder");
  CHECK(contains(load_error(folder / "folder"), "is not a regular file"));
  write_file_atomic(folder / "empty.json", "");
  CHECK(contains(load_error(folder / "empty.json"), "empty.json:1:1: not valid JSON"));
  write_file_atomic(folder / "big.json", std::string((std::size_t{16} << 20) + 1, ' '));
  CHECK(contains(load_error(folder / "big.json"), "at most 16777216 are expected"));
  write_file_atomic(folder / "bad.json", "{\n  \"dataset\": {\"path\": nul}\n}");
  CHECK(contains(load_error(folder / "bad.json"), "bad.json:2:26: not valid JSON"));
}

TEST_CASE("dataset files are found beside the config, then in the working folder", "[config]") {
  const TemporaryFolder folder;
  write_file_atomic(folder / "g.npz", "x");
  DatasetConfig dataset;
  dataset.path = "g.npz";
  locate_dataset(dataset, folder / "");
  CHECK(*dataset.path == (folder / "g.npz").string());
  locate_dataset(dataset, "elsewhere");  // absolute by now
  CHECK(*dataset.path == (folder / "g.npz").string());

  const std::string here = "gamlp_locate_test." + std::to_string(::getpid());
  write_file_atomic(here, "x");
  CHECK(locate_file("dataset.path", here, folder / "") == fs::current_path() / here);
  write_file_atomic(folder / here.c_str(), "x");
  CHECK(locate_file("dataset.path", here, folder / "") == folder / here.c_str());  // in both: the one beside the config
  fs::remove(here);
  try {
    locate_file("dataset.path", "absent.npz", folder / "");
    FAIL("expected a DataError");
  } catch (const DataError& error) {
    CHECK(contains(error.what(), "absent.npz: no such file (dataset.path): neither "));
    CHECK(contains(error.what(), (folder / "absent.npz").string()));
    CHECK(contains(error.what(), " nor " + (fs::current_path() / "absent.npz").string()));
  }
  const std::string once = missing_from(fs::current_path());
  CHECK(contains(once, "absent.npz: no such file (dataset.path): not " + (fs::current_path() / "absent.npz").string()));
  CHECK_FALSE(contains(once, "neither"));
}
