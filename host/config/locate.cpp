#include "host/config/locate.hpp"

#include "host/core/error.hpp"

namespace gamlp {

namespace fs = std::filesystem;

fs::path locate_file(const std::string& key, const std::string& file, const fs::path& config_folder,
                     const std::string& hint) {
  const fs::path given(file);
  std::error_code ignored;  // an unreadable folder is the same as a missing file here
  if (given.is_absolute()) {
    if (!fs::exists(given, ignored)) throw DataError(file + ": no such file (" + key + ")");
    return given;
  }
  const fs::path beside = fs::absolute(config_folder / given).lexically_normal();
  if (fs::exists(beside, ignored)) return beside;
  const fs::path here = fs::absolute(given).lexically_normal();
  if (fs::exists(here, ignored)) return here;
  throw DataError(file + ": no such file (" + key + "): " +
                  (here != beside ? "neither " + beside.string() + " nor " + here.string() : "not " + beside.string()) +
                  hint);
}

void locate_dataset(DatasetConfig& dataset, const fs::path& config_folder) {
  const auto locate = [&](const char* key, std::string& file) {
    file = locate_file(key, file, config_folder, "; data/README.md says how to get the public datasets").string();
  };
  if (dataset.path) locate("dataset.path", *dataset.path);
  if (dataset.text) {
    locate("dataset.text.edges", dataset.text->edges);
    locate("dataset.text.features", dataset.text->features);
    locate("dataset.text.labels", dataset.text->labels);
  }
}

void locate_start(TrainConfig& train, const fs::path& config_folder) {
  if (train.from) train.from = locate_file("train.from", *train.from, config_folder).string();
}

}  // namespace gamlp
