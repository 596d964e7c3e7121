// pdADMM-G and pdADMM-G-Q as a method: constants, costs, messages and figures. admm_program.hpp has the iteration.
#pragma once

#include "host/methods/admm/admm_config.hpp"
#include "host/methods/common/method.hpp"

namespace gamlp {

// The largest weight decay that the schema allows. A run's config.json holds the derived weight decay, and must itself
// be a valid config. The number stands here because gpu_check (tests/gpu) is built where there is no schema.
inline constexpr double kLargestWeightDecay = 1e6;

class AdmmMethod final : public Method {
 public:
  AdmmMethod(const AdmmConfig& admm, const ExchangeConfig& exchange);

  std::vector<std::string> keys() const override;
  std::vector<std::string> problems(const Config& config) const override;
  std::vector<std::string> warnings(const Config& config) const override;
  void resolve(MethodConfig& method, const ModelConfig& model, const ProblemShape& shape,
               std::string* why) const override;
  std::string text() const override;
  std::vector<std::pair<std::string, std::string>> summary() const override;
  nlohmann::ordered_json report() const override;

  // Where training nodes are fewer than inputs, the exact update takes the kernel form of layer 1, unless there are
  // shards: that form needs all nodes on one device. The gradient update takes QR where that pays.
  InputKind choose_input(const ProblemShape& shape, std::int64_t width, std::int64_t epochs,
                         std::string* why) const override;
  // 1 for a small graph. A block is large enough to cost little, and all of them are enough for 16 shards.
  int blocks(std::int64_t nodes) const override;
  std::string blocks_text(std::int64_t nodes) const override;
  std::int64_t values_of_op(const std::vector<std::int64_t>& widths) const override;
  double moved_floats(std::int64_t n, std::int64_t m, std::int64_t nodes) const override;
  double product_flops(std::int64_t n, std::int64_t m, std::int64_t nodes, bool first, InputKind input) const override;
  // p goes down, q goes up.
  std::vector<BoundaryMessage> messages(std::int64_t nodes, std::int64_t width, std::int64_t epoch) const override;
  // The q of the forward pass in float32. It is the keyframe of coded differences.
  std::vector<BoundaryMessage> messages_at_start(std::int64_t nodes, std::int64_t width) const override;
  std::vector<std::int64_t> message_changes(std::int64_t) const override;
  std::shared_ptr<const Method> frozen_at(std::int64_t epoch, std::int64_t) const override;
  MemoryKind saved_memory() const override { return MemoryKind::variables; }

  // The objective is the augmented Lagrangian L_ρ (docs/algorithm.md §2) with the weight decay. The residual is
  // Σ_l ||p_{l+1} − q_l||².
  TrainingFigures figures(const StageSpec& spec, const std::vector<double>& scalars, std::int64_t epoch) const override;

  std::unique_ptr<DeviceInput> create_input(const DeviceContext& context, const StageSpec& spec, int rank,
                                            const InputShape& shape) const override;
  std::unique_ptr<StageProgram> create_program(const DeviceContext& context, const StageSpec& spec, int rank,
                                               DeviceInput* input) const override;
  // Offers the gradient update, and 8 bits for p and q.
  std::vector<std::pair<std::string, Config>> lighter(const Config& config) const override;
  std::vector<Calibration> calibrations(bool quick) const override;

 private:
  bool exact() const { return admm_.update == Update::exact; }

  AdmmConfig admm_;
  ExchangeConfig exchange_;
};

}  // namespace gamlp
