// Everything that training needs to go on bit for bit: the state of every layer, the best weights so far, and
// where in the run it stands. A safetensors file with a version and a checksum over names, shapes and data.
#pragma once

#include <cstdint>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include "host/methods/common/stage_program.hpp"
#include "host/store/metrics.hpp"

namespace gamlp {

// The best evaluation of a stage, so far; epoch 0: none yet. The network is in the problem's coordinates.
struct BestWeights {
  std::int64_t epoch = 0;        // of the run
  std::int64_t stage_epoch = 0;  // of the stage, 1-based
  Accuracies accuracies;
  Network network;
};

struct Checkpoint {
  int stage = 1;                 // 1-based
  std::int64_t stage_epoch = 0;  // epochs done in the stage
  bool stage_complete = false;
  std::int64_t epoch = 0;  // epochs done in the run
  double seconds = 0;      // of training, evaluation_seconds of it beside
  double evaluation_seconds = 0;
  std::uint64_t bytes_sent = 0;
  RecentEpochs recent;
  std::string config;                       // the resolved config, JSON
  std::vector<double> input_probe;          // TrainingInput::probe() of the run
  BestWeights best;                         // of this stage
  std::vector<BestWeights> best_of_stages;  // of the stages before
  std::string continued;                    // what changed on the way (continuation.hpp), a JSON list; empty: nothing
  TrainingState state;
};

inline constexpr int kCheckpointVersion = 3;

// Throws IoError, or DivergenceError when a tensor of the state is not finite (the file is then not written).
void save_checkpoint(const std::filesystem::path& path, const Checkpoint& checkpoint);
// Throws DataError for anything but an intact checkpoint of this version.
Checkpoint load_checkpoint(const std::filesystem::path& path);

// The newest checkpoint of a run folder that loads and is not beyond `recorded`, the last epoch that metrics.jsonl has:
// going on from there, no line is missing. Damaged ones are passed over with a message in `warnings`. Where all are
// beyond, the newest, with a warning. Throws DataError when there is none.
Checkpoint load_latest_checkpoint(const std::filesystem::path& folder, std::vector<std::string>& warnings,
                                  std::int64_t recorded = std::numeric_limits<std::int64_t>::max());
// folder/epoch-000123.safetensors
std::filesystem::path checkpoint_path(const std::filesystem::path& folder, std::int64_t epoch);
// Keeps the newest `keep` checkpoints of the folder.
void remove_old_checkpoints(const std::filesystem::path& folder, std::size_t keep);

}  // namespace gamlp
