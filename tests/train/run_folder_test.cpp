// The rules of a run's folder, and what happens when it cannot be written.
#include <unistd.h>

#include "tests/support/methods.hpp"
#include "tests/train/support.hpp"

namespace gamlp::test {
namespace {

EpochRecord record(std::int64_t epoch) {
  EpochRecord r;
  r.epoch = epoch;
  return r;
}

}  // namespace

TEST_CASE("a folder that holds a run is not used for another") {
  const ScratchFolder scratch;
  for (const char* name :
       {"config.json", "metrics.jsonl", "result.json", "best.safetensors", "checkpoints/epoch-000100.safetensors"}) {
    const fs::path path = scratch / ("run-" + fs::path(name).filename().string());
    RunFolder::create(path);
    write_file_atomic(path / name, "{}");
    check_says(error_of<IoError>([&] { RunFolder::create(path); }), "holds a run already (" + std::string(name) + ")");
  }
}

TEST_CASE("a config that could not be read again is not written") {
  const ScratchFolder scratch;
  const RunFolder run = RunFolder::create(scratch / "run");
  Config config = small_config();
  run.write_config(config);
  const std::string text = read_file(run.config_path());
  change_admm(config,
              [&](AdmmConfig& m) { m.weight_decay_first = 2e7; });  // as a default derived from another value might be
  check_says(error_of<ConfigError>([&] { run.write_config(config); }),
             "`method.weight_decay_first` is 20000000: must be");
  check_says(error_of<ConfigError>([&] { run.write_config(config); }), run.config_path().string());
  CHECK(read_file(run.config_path()) == text);
}

TEST_CASE("folders that are no runs") {
  const ScratchFolder scratch;
  check_says(error_of<DataError>([&] { RunFolder::open(scratch.path()); }), "is not a run folder (no config.json)");
  check_says(error_of<DataError>([&] { RunFolder::open(scratch / "none"); }), "is not a run folder");
  write_file_atomic(scratch / "file", "x");
  CHECK_THROWS_AS(RunFolder::create(scratch / "file"), IoError);
  check_says(error_of<IoError>([&] { RunFolder::create(scratch / "file/below"); }), "cannot create the folder");
  if (::geteuid() != 0) {
    fs::create_directory(scratch / "locked");
    fs::permissions(scratch / "locked", fs::perms::owner_read | fs::perms::owner_exec);
    check_says(error_of<IoError>([&] { RunFolder::create(scratch / "locked/run"); }), "cannot create the folder");
  }
  CHECK_THROWS_AS(RunFolder::create("/proc/gamlp-run"), IoError);
}

TEST_CASE("metrics after the checkpoint, and a line cut short, are dropped on resume") {
  const ScratchFolder scratch;
  const RunFolder folder = RunFolder::create(scratch / "run");
  for (std::int64_t epoch = 1; epoch <= 5; ++epoch) folder.append(record(epoch));
  const fs::path file = scratch / "run/metrics.jsonl";
  const auto whole = lines_of(file);
  REQUIRE(whole.size() == 5);

  folder.truncate_metrics(4);
  CHECK(lines_of(file) == std::vector<std::string>(whole.begin(), whole.begin() + 4));
  const std::string text = read_file(file);
  write_file_atomic(file, text.substr(0, text.size() - 20));  // a crash in the middle of a write
  folder.truncate_metrics(4);
  CHECK(lines_of(file) == std::vector<std::string>(whole.begin(), whole.begin() + 3));
  folder.append(record(4));
  CHECK(lines_of(file).back() == whole[3]);
  fs::remove(file);
  folder.truncate_metrics(4);  // none yet
  CHECK_FALSE(fs::exists(file));
}

TEST_CASE("metrics that cannot be written are an IoError") {
  const ScratchFolder scratch;
  const RunFolder folder = RunFolder::create(scratch / "run");
  fs::create_symlink("/dev/full", scratch / "run/metrics.jsonl");
  const std::string message = error_of<IoError>([&] { folder.append(record(1)); });
  check_says(message, "metrics.jsonl: cannot write");
  check_says(message, "No space left");
}

}  // namespace gamlp::test
