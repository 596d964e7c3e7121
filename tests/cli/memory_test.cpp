// Runs that do not fit the memory.
#include "tests/cli/program.hpp"
#include "tests/support/asan.hpp"

namespace gamlp::test {

TEST_CASE("out of memory is told with the tensor, its size and who knows more") {
#if defined(GAMLP_ASAN)
  WARN("skipped: AddressSanitizer reserves more addresses than the test leaves");
  return;
#endif
  const WorkFolder work;
  struct Case {
    const char *name, *config, *says;
  };
  const Case cases[] = {
      {"weights",
       R"({"dataset": {"generate": {"nodes": 200, "classes": 3, "features": 8}, "hops": 2}, "devices": "cpu:1",
        "model": {"width": 30000}, "stages": [{"layers": 3, "epochs": 2}]})",
       "(cannot allocate 3.6 GB"},
      {"inputs", R"({"dataset": {"generate": {"nodes": 20000, "classes": 3, "features": 1000}, "hops": 32,
        "split": {"kind": "fraction"}}, "devices": "cpu:1", "model": {"width": 8}})",
       "the augmented inputs, 20000 nodes × 32000 values: out of memory (cannot allocate 2.6 GB for a matrix of 20000 "
       "× "
       "32000)"},
      {"dataset", R"({"dataset": {"generate": {"nodes": 2000000, "classes": 3, "features": 1000}},
        "devices": "cpu:1", "model": {"width": 8}})",
       "the dataset: out of memory"},
      {"variables", R"({"dataset": {"generate": {"nodes": 20000, "classes": 3, "features": 8, "mean_degree": 4},
        "hops": 2, "split": {"kind": "fraction", "train_fraction": 0.9, "validation_fraction": 0.05}},
        "model": {"width": 4000}, "devices": "cpu:1", "stages": [{"layers": 8, "epochs": 2}]})",
       "out of memory (cannot allocate "}};  // of which tensor depends on the libraries that are loaded
  for (const Case& one : cases) {
    INFO(one.name);
    const std::string file = std::string(one.name) + ".json";
    work.write(file, one.config);
    const Outcome outcome = run_shell(work, "train " + file + " --run " + one.name, "ulimit -v 2000000; ");
    INFO(outcome.out << outcome.err);
    CHECK(outcome.status == 6);
    check_says(outcome.err, one.says);
    check_says(outcome.err, "; gamlp plan CONFIG says what a run needs memory for");
    CHECK(outcome.err.find("bad_alloc") == std::string::npos);
    CHECK_FALSE(fs::exists(work / one.name / "lock"));
  }
}

}  // namespace gamlp::test
