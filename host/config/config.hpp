// The typed form of a gamlp config. The JSON form, its ranges and its documentation are
// configs/schema.json; the defaults below are the schema's defaults (a test holds them together).
//
// Optional values are null in JSON and mean "chosen by the program": resolve_config() replaces each by
// the value used, so that the config.json of a run folder repeats the run.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace gamlp {

// ---- dataset -------------------------------------------------------------------------------------
// Contextual stochastic block model; `shape` presets nodes, features, classes and split sizes.
struct GenerateConfig {
  std::optional<std::string> shape;  // cora | pubmed | flickr | arxiv
  std::int64_t nodes = 1000;
  std::int64_t classes = 4;
  std::int64_t features = 32;
  double mean_degree = 8.0;     // expected neighbours per node
  double homophily = 0.8;       // probability that an edge stays inside its class
  double feature_signal = 0.5;  // distance of class means from the origin, in noise standard deviations
  std::uint64_t seed = 0;
};

struct TextConfig {      // plain text: an edge list beside CSV files
  std::string edges;     // two node ids per line, separated by space, tab or comma
  std::string features;  // CSV: one row per node
  std::string labels;    // one integer per line
};

enum class SplitKind { file, per_class, fraction };
struct SplitConfig {
  SplitKind kind = SplitKind::file;   // file: the masks of the dataset's file (its public split)
  std::int64_t train_per_class = 20;  // per_class
  std::int64_t validation = 1000;     // per_class: number of nodes
  std::int64_t test = 1000;           // per_class: number of nodes
  double train_fraction = 0.6;        // fraction
  double validation_fraction = 0.2;   // fraction; the rest is the test part
  std::uint64_t seed = 0;
  std::int64_t index = 0;  // file: which of its splits, where masks have one column per split
};

enum class PropagationOperator { symmetric, random_walk };  // (D+I)^-1/2 (A+I) (D+I)^-1/2 ; (D+I)^-1 (A+I)

enum class Direction { in, out };        // of an edge "u v": v gathers from u, or u from v
enum class EdgeWeights { ignore, use };  // every edge counts 1, or what the file says
enum class ClassIds { compact, keep };   // ids that no node has: left out, or classes without nodes
enum class Standardize { none, columns, scale };

struct DatasetConfig {
  // .npz; a relative path is looked up beside the config file, then in the working folder
  std::optional<std::string> path;
  std::optional<TextConfig> text;
  std::optional<GenerateConfig> generate;  // exactly one of path, text, generate
  bool symmetrize = true;
  Direction direction = Direction::in;  // matters without symmetrize only
  EdgeWeights edge_weights = EdgeWeights::ignore;
  bool drop_self_loops = false;
  bool binarize_features = false;
  bool row_normalize = false;              // each node's features divided by their L1 norm
  std::optional<Standardize> standardize;  // null: by the features (data/standardize.hpp)
  ClassIds class_ids = ClassIds::compact;
  std::int64_t hops = 4;                                             // K: inputs are [H, ÃH, …, Ã^{K-1}H]
  PropagationOperator propagation = PropagationOperator::symmetric;  // JSON key "operator"
  SplitConfig split;
};

// ---- model ---------------------------------------------------------------------------------------
enum class Activation { relu, leaky_relu, tanh };
struct ModelConfig {
  std::int64_t width = 100;
  Activation activation = Activation::relu;
  double leaky_slope = 0.01;
};

// Growth: each stage trains `layers` layers for `epochs` epochs. One entry trains without growth.
struct StageConfig {
  std::int64_t layers = 10;
  std::int64_t epochs = 200;
};
enum class GrowthHead { keep, restart };

// ---- method --------------------------------------------------------------------------------------
enum class Update { automatic, gradient, exact };  // JSON "auto", "gradient", "exact"
struct ExactConfig {                               // algorithm of the exact update
  double beta = 0.9;                               // leak of the local multiplier v
  double nu2 = 4.0;                                // weight of ||q - f(z)||², as a multiple of rho
  double kappa = 1e-3;   // proximal weight towards the old W, relative to nu·mean diag(PPᵀ)
  double lambda = 10.0;  // ridge towards the identity for inner layers, relative to nu·mean diag(PPᵀ)
};
// What trains the network: ADMM, or full-batch backpropagation with one of PyTorch's optimisers.
enum class MethodName { pdadmm_g, gd, adadelta, adagrad, adam };  // JSON "pdadmm-g", "gd", …
enum class Init { identity, normal, pytorch };
// Backpropagation: the constants of the optimiser, PyTorch's where they are null. The loss is the mean cross-entropy.
struct OptimizerConfig {
  std::optional<double> learning_rate;  // null: 1e-3 (gd, adam), 1 (adadelta), 1e-2 (adagrad)
  double beta1 = 0.9;                   // adam
  double beta2 = 0.999;                 // adam
  double rho = 0.9;                     // adadelta
  std::optional<double> eps;            // null: 1e-8 (adam), 1e-6 (adadelta), 1e-10 (adagrad)
  double weight_decay = 0.0;            // of all weights and biases, added to their gradients
};
struct MethodConfig {
  MethodName name = MethodName::pdadmm_g;
  Update update = Update::automatic;
  std::optional<double> nu;                                // null: 0.01 (gradient), 0.001 (exact)
  std::optional<double> rho;                               // null: equal to nu
  std::optional<double> weight_decay_first;                // mu of layer 1; null: 10 nu
  double weight_decay = 0.0;                               // mu of the other layers
  std::optional<std::vector<double>> weight_decay_layers;  // per layer of the last stage, replaces both; a shorter
                                                           // stage uses the first entries and the last one
  double init_scale_first = 0.01;                          // standard deviation of W_1; not with init "pytorch"
  // The other layers: (rectangular) identities; N(0, 0.1²) with such biases, as in the paper; or all layers as
  // PyTorch's Linear starts, uniform in ±1/sqrt(inputs).
  Init init = Init::identity;
  GrowthHead growth_head = GrowthHead::keep;
  ExactConfig exact;
  OptimizerConfig optimizer;
  std::optional<std::int64_t> microbatches;  // backpropagation: parts of the training nodes that pass through the
                                             // devices one after the other; null: chosen from their number
};

inline bool is_backprop(const MethodConfig& method) { return method.name != MethodName::pdadmm_g; }

// ---- exchange ------------------------------------------------------------------------------------
enum class Coding { value, difference };    // difference: to what the receiver holds
enum class Range { fixed, tensor, block };  // fixed: the grid below; tensor/block: from the data, sent as scales
enum class Rounding { nearest, stochastic };
struct GridConfig {
  double min = -1.0, max = 20.0;
  std::int64_t levels = 22;
};  // the paper's {-1, 0, …, 20}
struct CodecConfig {
  std::int64_t bits = 8;  // 1, 2, 4, 8, 16, or 32 = float32, unquantised
  Coding coding = Coding::value;
  Range range = Range::tensor;
  std::int64_t block = 64;  // values per block (range = block): 16 … 4096, a power of two
  GridConfig grid;          // range = fixed
  Rounding rounding = Rounding::nearest;
  bool error_feedback = false;  // coding = value only
};
struct BitScheduleEntry {
  std::int64_t epoch = 0;
  std::int64_t bits = 8;
};  // from this epoch of each stage on
struct ExchangeConfig {
  CodecConfig p;
  CodecConfig q;
  std::vector<BitScheduleEntry> schedule;  // replaces the bits of every quantised tensor (bits < 32)
};

// ---- training ------------------------------------------------------------------------------------
struct StopConfig {  // both null: fixed epochs; what they mean: host/train/convergence.hpp
  std::optional<double> residual;
  std::optional<double> objective;
  std::int64_t window = 10;
};
// Whose best weights are the result: the last stage's, or those of the stage that validated best.
enum class Report { last_stage, best_stage };
struct TrainConfig {
  std::uint64_t seed = 0;
  std::int64_t evaluate_every = 1;    // epochs between evaluations; the last epoch of a stage is always evaluated
  std::int64_t checkpoint_every = 0;  // epochs between checkpoints, and one at the end; 0: only on a signal
  StopConfig stop;
  Report report = Report::last_stage;
};

// Inputs of the matrix products on CUDA devices: as they are, or rounded to 10 (tf32) or 7 (bf16) bits of mantissa, on
// tensor cores; state and sums are float32 always. CPU workers know float32 only.
enum class ProductPrecision { float32, tf32, bf16 };

// ---- runs of several processes (host/dist) --------------------------------------------------------
enum class DatasetReading { broadcast, each_process };
// automatic: NCCL where every device of the run has a GPU of its own, copies where some share one.
enum class GpuTransport { automatic, nccl, copy };
struct DistributedConfig {
  DatasetReading dataset = DatasetReading::broadcast;
  double timeout = 30;         // seconds without a sign of life of another process
  double stall_timeout = 600;  // seconds that a message of a living one may take
  GpuTransport gpu_transport = GpuTransport::automatic;
};

struct Config {
  DatasetConfig dataset;
  ModelConfig model;
  std::vector<StageConfig> stages = {{2, 200}, {5, 200}, {10, 200}};
  MethodConfig method;
  ExchangeConfig exchange;
  TrainConfig train;
  std::string devices = "auto";  // see devices.hpp
  ProductPrecision precision = ProductPrecision::float32;
  std::int64_t threads_per_device = 1;                 // BLAS threads of each device; part of the run's arithmetic
  std::optional<std::vector<std::int64_t>> partition;  // layers of each device in the last stage; null: by cost
  DistributedConfig distributed;
};

}  // namespace gamlp
