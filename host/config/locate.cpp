#include "host/config/locate.hpp"

#include "host/core/error.hpp"

namespace gamlp {

namespace fs = std::filesystem;

fs::path locate_file(const std::string& file, const fs::path& config_folder) {
  const fs::path given(file);
  std::error_code ignored;  // an unreadable folder is the same as a missing file here
  if (given.is_absolute()) {
    if (!fs::exists(given, ignored)) throw DataError(file + ": no such file");
    return given;
  }
  const fs::path beside = fs::absolute(config_folder / given).lexically_normal();
  if (fs::exists(beside, ignored)) return beside;
  const fs::path here = fs::absolute(given).lexically_normal();
  if (fs::exists(here, ignored)) return here;
  std::string places = beside.string();
  if (here != beside) places += " nor " + here.string();
  throw DataError(file + ": no such file: neither beside the config nor in the working folder (" + places + ")");
}

void locate_dataset(DatasetConfig& dataset, const fs::path& config_file) {
  const fs::path folder = config_file.parent_path();
  const auto locate = [&](std::string& file) { file = locate_file(file, folder).string(); };
  if (dataset.path) locate(*dataset.path);
  if (dataset.text) {
    locate(dataset.text->edges);
    locate(dataset.text->features);
    locate(dataset.text->labels);
  }
}

}  // namespace gamlp
