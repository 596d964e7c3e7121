// Experiment files in a scratch folder.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "host/core/error.hpp"
#include "host/experiment/experiment.hpp"
#include "host/experiment/report.hpp"
#include "tests/support/catch.hpp"

namespace gamlp::test {
namespace fs = std::filesystem;

class Folder {
 public:
  Folder() {
    std::string name = (fs::temp_directory_path() / "gamlp-experiment-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no scratch folder");
    path_ = name;
  }
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  fs::path write(const std::string& name, const std::string& text) const {
    fs::create_directories((path_ / name).parent_path());
    std::ofstream(path_ / name, std::ios::binary) << text;
    return path_ / name;
  }
  fs::path operator/(const std::string& name) const { return path_ / name; }

 private:
  fs::path path_;
};

inline const std::string kBase = R"("base": {"dataset": {"generate": {"nodes": 200, "classes": 3, "features": 8},
  "split": {"kind": "per_class", "train_per_class": 5, "validation": 20, "test": 40}}, "model": {"width": 8}})";

// Two widths, two methods, three seeds; a rate for one method, no wide gradient descent.
inline std::string example(const std::string& more = "") {
  return R"({"title": "Example", )" + kBase + R"(,
    "set": {"stages": [{"layers": 2, "epochs": 3}]},
    "axes": [{"name": "width", "key": "model.width", "values": [8, 16]},
             {"name": "method", "values": [{"label": "ADMM"}, {"label": "GD", "set": {"method.name": "gd"}}]},
             {"name": "seed", "key": "train.seed", "values": [0, 1, 2]}],
    "rules": [{"when": {"method": "GD"}, "set": {"method.optimizer.learning_rate": 0.5}},
              {"when": {"method": "GD", "width": "16", "seed": ["1", "2"]}, "skip": true}],
    "table": {"rows": "width", "columns": "method"}, "mean_over": "seed",
    "paper": {"8": {"GD": 0.5}})" +
         more + "}";
}

// Two widths, three rates, three seeds, and a search on two of them. `axes` stand behind the rates.
inline std::string searched(const std::string& search, const std::string& axes = "") {
  return R"({"title": "x", )" + kBase + R"(,
    "axes": [{"name": "a", "key": "model.width", "values": [8, 16]},
             {"name": "rate", "key": "method.optimizer.learning_rate", "values": [0.1, 0.2, 0.3]},)" +
         axes + R"(
             {"name": "b", "values": [{"label": "one"}]},
             {"name": "seed", "key": "train.seed", "values": [0, 1, 2]}],
    "table": {"rows": "a", "columns": "b"}, "mean_over": "seed",
    "search": {)" +
         search + R"(, "seeds": ["0", "1"]}})";
}

inline Experiment loaded(const std::string& text, bool quick = false) {
  const Folder folder;
  return load_experiment(folder.write("x.json", text), quick);
}

template <class Call>
std::string config_error(Call call) {
  try {
    call();
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "";
}

inline JobOutcome done(double test, double validation) {
  return {JobState::done, {{"test_accuracy", test}, {"validation_accuracy", validation}, {"epochs", 3}}, ""};
}

inline void check_says(const std::string& text, const std::string& part) {
  INFO("text: " << text);
  INFO("expected part: " << part);
  CHECK(text.find(part) != std::string::npos);
}

}  // namespace gamlp::test
