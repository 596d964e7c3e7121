// Outputs that cannot be written: a full disk, a limit on files, a reader that has gone.
#include <fcntl.h>
#include <sys/mount.h>

#include "tests/cli/program.hpp"

namespace gamlp::test {
namespace {

bool holds_temporary_files(const fs::path& folder) {
  std::error_code error;
  for (const auto& entry : fs::recursive_directory_iterator(folder, error)) {
    if (entry.path().filename().string().find(".tmp.") != std::string::npos) return true;
  }
  return false;
}

}  // namespace

TEST_CASE("standard output that is full ends every subcommand with 5 and the reason") {
  const WorkFolder work;
  work.write("small.json", small_config());
  work.write("experiment.json", R"({"title": "Small", "base": "small.json",
    "axes": [{"name": "width", "key": "model.width", "values": [6]}, {"name": "seed", "key": "train.seed", "values": [0]}],
    "table": {"rows": "width", "columns": "seed"}})");
  train_small(work);
  REQUIRE(run(work, {"generate", "graph.npz", "--nodes", "50", "--classes", "2"}).status == 0);
  for (const char* arguments :
       {"--help", "--version", "train --help", "train small.json --run a", "train small.json --run b --quiet",
        "train small.json --run c --json", "evaluate run", "predict run", "info run", "info graph.npz",
        "info small.json", "generate other.npz --nodes 50 --classes 2",
        "plan small.json --devices 2 --machine " GAMLP_SOURCE_DIR "/configs/machines/cpu.json",
        "experiment experiment.json --list", "bench small.json --devices cpu:1 --iterations 1 --rounds 1"}) {
    INFO(arguments);
    const Outcome outcome = run_shell(work, std::string(arguments) + " > /dev/full");
    INFO(outcome.err);
    CHECK(outcome.status == 5);
    check_says(outcome.err, "standard output: cannot write: ");
  }
  for (const char* folder : {"a", "b", "c"}) {  // what was trained is there
    CHECK(nlohmann::json::parse(file_text(work / folder / "state.json"))["state"] == "finished");
  }
  check_says(run_shell(work, "train small.json --run d > /dev/full").err,
             "standard output: cannot write: No space left");
}

TEST_CASE("a reader that goes does not end a training, and one that never was is no error") {
  const WorkFolder work;
  work.write("small.json", small_config(30));
  const Outcome gone = run_shell(work, "train small.json --run run --json | head -n 1; exit ${PIPESTATUS[0]}");
  INFO(gone.err);
  CHECK(gone.status == 5);
  check_says(gone.err, "standard output: cannot write: ");
  CHECK(fs::exists(work / "run/result.json"));
  const Outcome closed = run_shell(work, "train small.json --run closed >&-");
  INFO(closed.err);
  CHECK(closed.status == 0);
  for (const char* name : {"config.json", "result.json"}) {
    CHECK(nlohmann::json::parse(file_text(work / "closed" / name), nullptr, false).is_object());
  }
  CHECK(lines_of(file_text(work / "closed/metrics.jsonl")).size() == 60);
}

TEST_CASE("metrics that do not fit keep whole lines, and the run goes on where there is room") {
  const WorkFolder work;
  work.write("small.json", small_config(40));
  const Outcome whole = run(work, {"train", "small.json", "--run", "whole", "--quiet"});
  REQUIRE(whole.status == 0);
  const std::uintmax_t size = fs::file_size(work / "whole/metrics.jsonl");
  std::uintmax_t limit = size / 2 + 13;
  REQUIRE(limit > fs::file_size(work / "whole/config.json"));
  Child limited(work, {"train", "small.json", "--run", "run", "--quiet"}, limit);
  const Outcome outcome = limited.wait();
  CHECK(outcome.status == 5);
  check_says(outcome.err, "metrics.jsonl: cannot write: File too large");
  const std::string metrics = file_text(work / "run/metrics.jsonl");
  CHECK(metrics.size() + 1000 > limit);
  CHECK(metrics.back() == '\n');
  for (const std::string& line : lines_of(metrics)) CHECK(nlohmann::json::accept(line));
  const auto state = nlohmann::json::parse(file_text(work / "run/state.json"));
  CHECK(state["state"] == "failed");
  CHECK(state["status"] == 5);
  CHECK_FALSE(fs::exists(work / "run/lock"));
}

TEST_CASE("a disk that is full ends a run with 5, its reason and no file half-written") {
  const WorkFolder work;
  fs::create_directory(work / "disk");
  if (::mount("tmpfs", (work / "disk").c_str(), "tmpfs", 0, "size=128k") != 0) {
    WARN("skipped: cannot mount a small file system here (needs root)");
    return;
  }
  struct Unmount {
    fs::path path;
    ~Unmount() { ::umount2(path.c_str(), MNT_DETACH); }
  } const unmount{work / "disk"};
  work.write("small.json", small_config(2000));
  const Outcome outcome =
      run(work, {"train", "small.json", "--run", "disk/run", "--quiet", "--set", "train.checkpoint_every=3"});
  INFO(outcome.err);
  CHECK(outcome.status == 5);
  check_says(outcome.err, "No space left on device");
  CHECK_FALSE(holds_temporary_files(work / "disk"));
  for (const std::string& line : lines_of(file_text(work / "disk/run/metrics.jsonl")))
    CHECK(nlohmann::json::accept(line));
  CHECK_FALSE(fs::exists(work / "disk/run/result.json"));
  // With room again it goes on.
  REQUIRE(::mount("tmpfs", (work / "disk").c_str(), "tmpfs", MS_REMOUNT, "size=8m") == 0);
  const Outcome resumed = run(work, {"resume", "disk/run", "--quiet"});
  INFO(resumed.err);
  CHECK(resumed.status == 0);
  CHECK(lines_of(file_text(work / "disk/run/metrics.jsonl")).size() == 4000);
}

}  // namespace gamlp::test
