// Runs the built gamlp as a user would: arguments in, exit status and both outputs back.
#pragma once

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

#include "tests/support/catch.hpp"
#include "tests/support/environment.hpp"

namespace gamlp::test {
namespace fs = std::filesystem;

inline std::string file_text(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

inline nlohmann::json json_file(const fs::path& file) { return nlohmann::json::parse(file_text(file)); }

class WorkFolder {
 public:
  WorkFolder() {
    std::string name = (fs::temp_directory_path() / "gamlp-cli-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no scratch folder");
    path_ = name;
  }
  ~WorkFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  WorkFolder(const WorkFolder&) = delete;
  WorkFolder& operator=(const WorkFolder&) = delete;
  fs::path operator/(const std::string& name) const { return path_ / name; }
  fs::path write(const std::string& name, const std::string& text) const {
    std::ofstream(path_ / name, std::ios::binary) << text;
    return path_ / name;
  }

 private:
  fs::path path_;
};

struct Outcome {
  int status = -1;  // exit status; 1000 + signal when one ended it
  std::string out, err;
};

// A child in the folder of `work`, its outputs in files there. `file_limit`: bytes that its files may grow to, as on a
// full disk. `launcher`: runs `arguments` as they are, by this program; otherwise they are gamlp's.
class Child {
 public:
  Child(const WorkFolder& work, std::vector<std::string> arguments, rlim_t file_limit = RLIM_INFINITY,
        const char* launcher = nullptr)
      : out_(work / "stdout"), err_(work / "stderr") {
    if (launcher == nullptr) arguments.insert(arguments.begin(), program());
    // The test program handles these signals itself: one that comes before the child has dropped that waits.
    sigset_t ours, before;
    ::sigemptyset(&ours);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) ::sigaddset(&ours, signal);
    ::sigprocmask(SIG_BLOCK, &ours, &before);
    pid_ = ::fork();
    if (pid_ == 0) {
      for (const int signal : {SIGINT, SIGTERM, SIGHUP}) std::signal(signal, SIG_DFL);
    }
    ::sigprocmask(SIG_SETMASK, &before, nullptr);
    if (pid_ != 0) return;
    if (::chdir((work / "").c_str()) != 0 || !std::freopen(out_.c_str(), "w", stdout) ||
        !std::freopen(err_.c_str(), "w", stderr)) {
      ::_exit(120);
    }
    if (file_limit != RLIM_INFINITY) {
      const rlimit bound{file_limit, file_limit};
      ::setrlimit(RLIMIT_FSIZE, &bound);
    }
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    ::execvp(launcher == nullptr ? program().c_str() : launcher, argv.data());
    ::_exit(121);
  }
  pid_t pid() const { return pid_; }
  bool running() {
    if (!ended_ && ::waitpid(pid_, &status_, WNOHANG) == pid_) ended_ = true;
    return !ended_;
  }
  Outcome wait() {
    if (!ended_) ::waitpid(pid_, &status_, 0);
    ended_ = true;
    const int status = WIFEXITED(status_) ? WEXITSTATUS(status_) : 1000 + WTERMSIG(status_);
    return {status, file_text(out_), file_text(err_)};
  }

 private:
  fs::path out_, err_;
  pid_t pid_ = -1;
  int status_ = 0;
  bool ended_ = false;
};

inline Outcome run(const WorkFolder& work, std::vector<std::string> arguments) {
  return Child(work, std::move(arguments)).wait();
}

// `gamlp ARGUMENTS` by a shell, which redirects, after `before`.
inline Outcome run_shell(const WorkFolder& work, const std::string& arguments, const std::string& before = "") {
  return Child(work, {"bash", "-c", before + std::string(GAMLP_PROGRAM) + " " + arguments}, RLIM_INFINITY, "bash")
      .wait();
}

inline std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

inline void check_says(const std::string& text, const std::string& part) {
  INFO("text: " << text);
  INFO("expected part: " << part);
  CHECK(text.find(part) != std::string::npos);
}

// A config of a small generated graph: 2 → 3 layers, `epochs` epochs each.
inline std::string small_config(int epochs = 8) {
  return R"({"dataset": {"generate": {"nodes": 200, "classes": 3, "features": 8}, "hops": 2,
              "split": {"kind": "per_class", "train_per_class": 15, "validation": 40, "test": 80}},
  "model": {"width": 12}, "devices": "cpu:2",
  "stages": [{"layers": 2, "epochs": )" +
         std::to_string(epochs) + R"(}, {"layers": 3, "epochs": )" + std::to_string(epochs) + "}]}";
}

// A trained run in work/run.
inline void train_small(const WorkFolder& work, const std::vector<std::string>& more = {}) {
  work.write("small.json", small_config());
  std::vector<std::string> arguments = {"train", "small.json", "--run", "run"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  const Outcome trained = run(work, arguments);
  INFO(trained.err);
  REQUIRE(trained.status == 0);
}

}  // namespace gamlp::test
