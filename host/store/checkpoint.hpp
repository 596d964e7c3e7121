// Everything that training needs to go on bit for bit: the state of every layer, the best weights so far, and where in
// the run it stands. The file is a safetensors file with a version, and a checksum over names, shapes, data and
// metadata.
#pragma once

#include <cstdint>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include "host/methods/common/stage_program.hpp"
#include "host/store/metrics.hpp"

namespace gamlp {

// The best evaluation of a stage so far. Epoch 0: none yet. The network is in the problem's coordinates.
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
  std::int64_t epoch = 0;         // epochs done in the run
  double seconds = 0;             // of training
  double evaluation_seconds = 0;  // beside training
  std::uint64_t bytes_sent = 0;
  RecentEpochs recent;
  std::string config;                       // the resolved config, JSON
  std::vector<double> input_probe;          // TrainingInput::probe() of the run
  std::vector<InputKind> kinds;             // layer 1's coordinates in the stages begun; empty: an older version's
  BestWeights best;                         // of this stage
  std::vector<BestWeights> best_of_stages;  // of the stages before
  ReplicaFigures replicas;                  // of a run of several
  std::string continued;                    // what changed on the way (continuation.hpp), a JSON list; empty: nothing
  TrainingState state;
};

inline constexpr int kCheckpointVersion = 4;

// Throws IoError. Throws DivergenceError when a tensor of the state is not finite, and then does not write the file.
void save_checkpoint(const std::filesystem::path& path, const Checkpoint& checkpoint);
// Throws DataError for anything but an intact checkpoint of this version.
Checkpoint load_checkpoint(const std::filesystem::path& path);

// Loads the newest checkpoint of `folder` that is intact and not beyond `recorded`, the last epoch that metrics.jsonl
// has. So no line is missing when the run goes on from there. Damaged checkpoints are passed over, with a message in
// `warnings`. Where all are beyond, it returns the newest, with a warning. Throws DataError when there is none.
Checkpoint load_latest_checkpoint(const std::filesystem::path& folder, std::vector<std::string>& warnings,
                                  std::int64_t recorded = std::numeric_limits<std::int64_t>::max());
// folder/epoch-000123.safetensors
std::filesystem::path checkpoint_path(const std::filesystem::path& folder, std::int64_t epoch);
// The checkpoints of the folder, the newest first. Empty where there is no folder.
std::vector<std::filesystem::path> checkpoints_of(const std::filesystem::path& folder);
// Removes all but the newest `keep` checkpoints of the folder.
void remove_old_checkpoints(const std::filesystem::path& folder, std::size_t keep);

}  // namespace gamlp
