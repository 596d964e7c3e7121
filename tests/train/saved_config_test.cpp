// Configs of runs that are older than some keys.
#include "host/store/saved_config.hpp"

#include "tests/config/support.hpp"

namespace gamlp::test {
namespace {

struct Saved {
  Config config;
  std::vector<std::string> notes;
};

// The config of a run, with these members of `dataset` taken out.
Saved saved_without(const std::vector<const char*>& keys, bool symmetrize) {
  Config config = parsed(with_dataset(""));
  config.dataset.symmetrize = symmetrize;
  nlohmann::json document = to_json(config);
  for (const char* key : keys) document["dataset"].erase(key);
  Saved saved;
  saved.config = parse_saved_config(document.dump(), "run/config.json", saved.notes);
  return saved;
}

}  // namespace

TEST_CASE("keys that a saved config lacks mean what the program did before it knew them", "[config]") {
  const Saved directed = saved_without({"direction", "standardize", "class_ids"}, false);
  CHECK(directed.config.dataset.direction == Direction::out);
  CHECK(directed.config.dataset.standardize == Standardize::none);
  CHECK(directed.config.dataset.class_ids == ClassIds::keep);
  REQUIRE(directed.notes.size() == 1);
  CHECK(contains(directed.notes[0], "run/config.json: holds no dataset.direction"));

  // Of a symmetric graph the direction changes nothing.
  CHECK(saved_without({"direction", "standardize"}, true).notes.empty());
  CHECK(saved_without({"direction", "standardize"}, true).config.dataset.standardize == Standardize::none);
}

TEST_CASE("stages of a run that is older than their start began with the last weights", "[config]") {
  nlohmann::json document = to_json(parsed(with_dataset("")));
  document["stages"][1].erase("start"), document["stages"][2]["start"] = "best";
  std::vector<std::string> notes;
  const Config config = parse_saved_config(document.dump(), "run/config.json", notes);
  CHECK(config.stages[0].start == StageStart::best);
  CHECK(config.stages[1].start == StageStart::last);
  CHECK(config.stages[2].start == StageStart::best);
  CHECK(notes.empty());
}

TEST_CASE("keys that a saved config has are left alone", "[config]") {
  const Saved saved = saved_without({}, false);
  CHECK(saved.config.dataset.direction == Direction::in);
  CHECK(!saved.config.dataset.standardize);
  CHECK(saved.config.dataset.class_ids == ClassIds::compact);
  CHECK(saved.notes.empty());
}

TEST_CASE("a saved config that is no config is refused as any other", "[config]") {
  std::vector<std::string> notes;
  for (const char* text : {"[]", "{}", R"({"dataset": 3})", R"({"dataset": {"path": "g.npz", "hop": 3}})"}) {
    CHECK(contains(config_error([&] { parse_saved_config(text, "run/config.json", notes); }), "run/config.json"));
  }
}

}  // namespace gamlp::test
